//! How clients behave: most read along to the end, some read slowly, some leave in the middle of an answer.

/// How the clients of a run behave.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Share of requests whose client reads slowly, 0 to 1.
    pub slow_share: f64,
    /// Bytes that a slow reader takes in a second; above 0.
    pub slow_rate: f64,
    /// Share of requests whose client leaves at a random token, 0 to 1.
    pub leave_share: f64,
    /// Requests that a connection carries before the client closes it.
    pub requests_per_connection: u32,
    /// The same seed gives the same manners to the same requests.
    pub seed: u64,
}

/// How one client reads one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// To the end, as fast as it comes.
    Patient,
    /// Over a connection of its own, at the slow rate.
    Slow,
    /// Until so many events came.
    Leaves(u64),
}

impl Manners {
    /// The manner of request `number`, whose answer has at most `max_tokens`.
    pub fn of(&self, number: u64, max_tokens: u32) -> Manner {
        if self.slow_share + self.leave_share <= 0.0 {
            return Manner::Patient;
        }
        let random = &mut fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
        let drawn = random.f64();
        if drawn < self.slow_share {
            Manner::Slow
        } else if drawn < self.slow_share + self.leave_share {
            Manner::Leaves(random.u64(1..=u64::from(max_tokens.max(1))))
        } else {
            Manner::Patient
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_repeat() {
        let manners =
            Manners { slow_share: 0.2, slow_rate: 100.0, leave_share: 0.3, requests_per_connection: u32::MAX, seed: 1 };
        let drawn: Vec<_> = (0..10_000).map(|number| manners.of(number, 64)).collect();
        let slow = drawn.iter().filter(|manner| **manner == Manner::Slow).count();
        let left: Vec<_> =
            drawn.iter().filter_map(|m| if let Manner::Leaves(at) = m { Some(*at) } else { None }).collect();
        assert!(slow.abs_diff(2000) < 150 && left.len().abs_diff(3000) < 150, "{slow} {}", left.len());
        assert!(left.iter().all(|at| (1..=64).contains(at)) && left.contains(&1) && left.contains(&64));
        assert_eq!(manners.of(7, 64), manners.of(7, 64));
        let well = Manners { slow_share: 0.0, leave_share: 0.0, ..manners };
        assert_eq!(well.of(3, 64), Manner::Patient);
    }
}
