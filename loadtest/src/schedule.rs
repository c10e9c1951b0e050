//! The open loop: when requests are due, whatever the server does. Pure arithmetic, no clock.
//!
//! Arrivals are drawn at rate one and then bent to the wished rate (inversion of the integrated rate), so that every
//! process can ramp: that keeps a ramped Poisson process a Poisson process.

use std::time::Duration;

use clap::ValueEnum;

/// How arrivals lie around their rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// Independent users: exponential gaps
    Poisson,
    /// A metronome
    Constant,
}

/// What arrives, and how fast.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The process.
    pub arrivals: Arrivals,
    /// Requests a second, at the start; above 0.
    pub rate: f64,
    /// Requests a second at the end, and when that is; the rate changes evenly and then stays.
    pub ramp: Option<(f64, Duration)>,
    /// So many requests arrive at once; the rate still counts requests.
    pub burst: u32,
    /// Arrivals of the same seed are the same.
    pub seed: u64,
}

/// Due times of requests from the start of a run on, without end.
#[derive(Debug, Clone)]
pub struct Schedule {
    shape: Shape,
    random: fastrand::Rng,
    /// The integrated rate at the last burst, in requests.
    passed: f64,
    /// Whether there was one.
    begun: bool,
    /// Requests of the current burst that are still to come.
    left: u32,
    due: Duration,
}

impl Schedule {
    /// A schedule from its start.
    pub fn new(shape: Shape) -> Self {
        let random = fastrand::Rng::with_seed(shape.seed);
        Self { shape, random, passed: 0.0, begun: false, left: 0, due: Duration::ZERO }
    }

    /// When the integrated rate reaches `requests`, in seconds.
    fn time_of(&self, requests: f64) -> f64 {
        let from = self.shape.rate;
        let Some((to, until)) = self.shape.ramp else { return requests / from };
        let until = until.as_secs_f64().max(1e-9);
        let in_ramp = f64::midpoint(from, to) * until;
        if requests >= in_ramp {
            return until + (requests - in_ramp) / to;
        }
        // from * t + (to - from) / (2 * until) * t^2 = requests, in the form that stays exact as to -> from.
        let slope = (to - from) / until;
        2.0 * requests / (from + (from * from + 2.0 * slope * requests).sqrt())
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.left == 0 {
            let gap = match self.shape.arrivals {
                // The first beat of a metronome is at 0.
                Arrivals::Constant => f64::from(u8::from(self.begun)),
                Arrivals::Poisson => exponential(&mut self.random),
            };
            let burst = self.shape.burst.max(1);
            self.passed += gap * f64::from(burst);
            self.begun = true;
            self.due = Duration::try_from_secs_f64(self.time_of(self.passed)).unwrap_or(Duration::MAX);
            self.left = burst;
        }
        self.left -= 1;
        Some(self.due)
    }
}

/// A draw from the exponential distribution of mean one.
pub fn exponential(random: &mut fastrand::Rng) -> f64 {
    // 1 - [0, 1) is never 0.
    -(1.0 - random.f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(arrivals: Arrivals, rate: f64) -> Shape {
        Shape { arrivals, rate, ramp: None, burst: 1, seed: 1 }
    }

    fn seconds(shape: Shape, count: usize) -> Vec<f64> {
        Schedule::new(shape).take(count).map(|due| due.as_secs_f64()).collect()
    }

    #[test]
    fn constant_is_a_metronome() {
        let due = seconds(shape(Arrivals::Constant, 4.0), 5);
        for (got, want) in due.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]) {
            assert!((got - want).abs() < 1e-9, "{due:?}");
        }
    }

    #[test]
    fn bursts_keep_the_rate() {
        let due = seconds(Shape { burst: 3, ..shape(Arrivals::Constant, 6.0) }, 9);
        for (got, want) in due.iter().zip([0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]) {
            assert!((got - want).abs() < 1e-9, "{due:?}");
        }
        let due = seconds(Shape { burst: 10, ..shape(Arrivals::Poisson, 100.0) }, 100_000);
        let rate = due.len() as f64 / due.last().unwrap();
        assert!((rate - 100.0).abs() < 3.0, "{rate}");
    }

    #[test]
    fn poisson_has_its_rate_and_its_spread() {
        let due = seconds(shape(Arrivals::Poisson, 50.0), 100_000);
        let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean - 0.02).abs() < 0.0003, "{mean}");
        assert!((deviation / mean - 1.0).abs() < 0.02, "{deviation}");
        assert_eq!(due, seconds(shape(Arrivals::Poisson, 50.0), 100_000), "same seed, same arrivals");
        assert_ne!(due, seconds(Shape { seed: 2, ..shape(Arrivals::Poisson, 50.0) }, 100_000));
    }

    /// Counts arrivals per second of a ramp against the integral of its rate, up and down, and past its end.
    #[test]
    fn ramps_follow_the_integrated_rate() {
        for (from, to) in [(100.0, 300.0), (300.0, 100.0), (200.0, 200.0)] {
            let ramp = Some((to, Duration::from_secs(10)));
            let due = seconds(Shape { ramp, ..shape(Arrivals::Constant, from) }, 3000);
            for second in 0..12 {
                let rate = |t: f64| from + (to - from) * (t.min(10.0) / 10.0);
                let begin = f64::from(second);
                let want = f64::midpoint(rate(begin), rate(begin + 1.0));
                let got = due.iter().filter(|due| (begin..begin + 1.0).contains(*due)).count() as f64;
                assert!((got - want).abs() <= 2.0, "{from} to {to}, second {second}: {got} {want}");
            }
        }
    }

    #[test]
    fn due_times_never_go_back() {
        for arrivals in [Arrivals::Poisson, Arrivals::Constant] {
            let ramp = Some((5000.0, Duration::from_secs(1)));
            let due = seconds(Shape { ramp, burst: 7, ..shape(arrivals, 0.5) }, 20_000);
            assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
