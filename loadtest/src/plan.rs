//! How much is asked: which requests are a warm-up, which count, and when it is enough. No clock: the caller says when.

use std::time::{Duration, Instant};

use crate::units;

/// An amount of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many requests.
    Requests(u64),
    /// All that begin in this time.
    Time(Duration),
}

impl Amount {
    /// Reads `20` as requests and `5s` as a time.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(requests) => Ok(Self::Requests(requests)),
            Err(_) => units::time(text).map(Self::Time),
        }
    }
}

/// One request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Counted from 0 over the whole run.
    pub number: u64,
    /// When it is due.
    pub intended: Instant,
    /// It is no warm-up.
    pub counted: bool,
}

/// Hands out turns until it is enough.
#[derive(Debug, Clone)]
pub struct Plan {
    warmup: Amount,
    amount: Amount,
    handed: u64,
    counted: u64,
    began: Option<Instant>,
    counting_since: Option<Instant>,
}

impl Plan {
    /// A plan from its start.
    pub fn new(warmup: Amount, amount: Amount) -> Self {
        Self { warmup, amount, handed: 0, counted: 0, began: None, counting_since: None }
    }

    /// The next turn, for a request that is due at `intended`; nothing when it is enough. Due times never go back.
    pub fn take(&mut self, intended: Instant) -> Option<Turn> {
        let began = *self.began.get_or_insert(intended);
        let counted = match self.warmup {
            Amount::Requests(warmup) => self.handed >= warmup,
            Amount::Time(warmup) => intended.saturating_duration_since(began) >= warmup,
        };
        if counted {
            let since = *self.counting_since.get_or_insert(intended);
            let enough = match self.amount {
                Amount::Requests(most) => self.counted >= most,
                Amount::Time(most) => intended.saturating_duration_since(since) >= most,
            };
            if enough {
                return None;
            }
            self.counted += 1;
        }
        let number = self.handed;
        self.handed += 1;
        Some(Turn { number, intended, counted })
    }

    /// Share of the counted work that is done, 0 to 1, when so many requests were answered.
    pub fn done(&self, now: Instant, answered: u64) -> f64 {
        match (self.amount, self.counting_since) {
            (_, None) => 0.0,
            (Amount::Requests(most), _) => answered as f64 / most.max(1) as f64,
            (Amount::Time(most), Some(since)) => {
                let passed = now.saturating_duration_since(since).as_secs_f64();
                (passed / most.as_secs_f64().max(1e-9)).min(1.0)
            }
        }
    }

    /// When the counted time is over; nothing before it began, or when requests are counted.
    pub fn ends_at(&self) -> Option<Instant> {
        match self.amount {
            Amount::Requests(_) => None,
            Amount::Time(most) => self.counting_since.map(|since| since + most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Takes a turn every 10 ms until it is enough: turns in all, and counted ones.
    fn taken(warmup: Amount, amount: Amount) -> (usize, usize) {
        let (mut plan, start) = (Plan::new(warmup, amount), Instant::now());
        let turns: Vec<_> = (0..1000).map_while(|n| plan.take(start + MS(10) * n)).collect();
        assert!(turns.iter().enumerate().all(|(number, turn)| turn.number == number as u64));
        (turns.len(), turns.iter().filter(|turn| turn.counted).count())
    }

    #[test]
    fn amounts() {
        use Amount::{Requests, Time};
        for (warmup, amount, want) in [
            (Requests(0), Requests(3), (3, 3)),
            (Requests(5), Requests(3), (8, 3)),
            (Requests(5), Time(MS(100)), (15, 10)),
            (Time(MS(50)), Requests(3), (8, 3)),
            (Time(MS(50)), Time(MS(100)), (15, 10)),
            (Requests(0), Requests(0), (0, 0)),
        ] {
            assert_eq!(taken(warmup, amount), want, "{warmup:?} {amount:?}");
        }
        assert_eq!(Amount::parse("20"), Ok(Requests(20)));
        assert_eq!(Amount::parse("1.5s"), Ok(Time(MS(1500))));
        assert!(Amount::parse("-3").is_err());
    }

    #[test]
    fn the_end_counts_from_the_first_counted_turn() {
        let (mut plan, start) = (Plan::new(Amount::Time(MS(50)), Amount::Time(MS(100))), Instant::now());
        plan.take(start);
        assert_eq!((plan.ends_at(), plan.done(start, 0)), (None, 0.0));
        plan.take(start + MS(70));
        assert_eq!(plan.ends_at(), Some(start + MS(170)));
        assert!((plan.done(start + MS(120), 7) - 0.5).abs() < 1e-9);
        assert!(plan.take(start + MS(169)).is_some() && plan.take(start + MS(170)).is_none());
    }
}
