//! Delays as they are drawn, and a book of what was drawn.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::histogram::{Percentiles, Times};
use crate::schedule::exponential;

/// How times lie around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// All are the mean
    Constant,
    /// Exponential: the median is 0.69 of the mean, p99 is 4.6 times it
    Exponential,
}

impl Spread {
    /// A time of this mean.
    pub fn draw(self, mean: Duration, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Constant => mean,
            Self::Exponential => mean.mul_f64(exponential(random)),
        }
    }
}

/// What the server meant to do, and how well it did.
#[derive(Debug, Default)]
pub struct Book {
    /// Answers that were sent whole, but for questions about the server itself.
    pub answers: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Answers whose client was gone before their end.
    pub broken: u64,
    /// From a request's last byte to its first token.
    pub ttft: Times,
    /// Between tokens.
    pub gap: Times,
    /// From a request's last byte to the end of its answer.
    pub answer: Times,
    /// How much later than it should an event was handed to the kernel.
    pub late: Times,
}

/// A [`Book`] as JSON.
#[derive(Debug, Serialize)]
pub struct Truth {
    answers: u64,
    connections: u64,
    broken: u64,
    ttft_ms: Option<Percentiles>,
    itl_ms: Option<Percentiles>,
    e2e_ms: Option<Percentiles>,
    late_ms: Option<Percentiles>,
}

impl Book {
    /// What was written down so far.
    pub fn truth(&self) -> Truth {
        Truth {
            answers: self.answers,
            connections: self.connections,
            broken: self.broken,
            ttft_ms: self.ttft.percentiles(),
            itl_ms: self.gap.percentiles(),
            e2e_ms: self.answer.percentiles(),
            late_ms: self.late.percentiles(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_have_their_quantiles() {
        let mut random = fastrand::Rng::with_seed(3);
        let mean = Duration::from_millis(20);
        assert_eq!(Spread::Constant.draw(mean, &mut random), mean);
        let mut times = Times::default();
        (0..200_000).for_each(|_| times.record(Spread::Exponential.draw(mean, &mut random)));
        let got = times.percentiles().unwrap();
        for (got, want) in [(got.mean, 20.0), (got.p50, 13.863), (got.p99, 92.103)] {
            assert!((got / want - 1.0).abs() < 0.02, "{got} {want}");
        }
    }
}
