//! Delays as they are drawn, and a book of what was drawn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

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

/// Places where answers are made, each with the moment from which on it is free. Requests take the one that is free
/// first, in the order in which they come.
#[derive(Debug)]
pub struct Slots(Option<BinaryHeap<Reverse<Instant>>>);

impl Slots {
    /// So many places, or as many as are needed.
    pub fn new(count: Option<u32>) -> Self {
        let now = Instant::now();
        Self(count.map(|count| (0..count).map(|_| Reverse(now)).collect()))
    }

    /// When an answer that takes `length` begins, for a request that has arrived.
    pub fn take(&mut self, arrived: Instant, length: Duration) -> Instant {
        let Some(free) = &mut self.0 else { return arrived };
        let begin = free.pop().map_or(arrived, |Reverse(free)| free.max(arrived));
        free.push(Reverse(begin + length));
        begin
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
    fn slots_are_taken_in_turn() {
        let start = Instant::now() + Duration::from_secs(1);
        let at = |ms| start + Duration::from_millis(ms);
        let mut slots = Slots::new(Some(2));
        for (arrived, length, begins) in [(0, 100, 0), (10, 20, 10), (15, 50, 30), (20, 10, 80), (300, 10, 300)] {
            assert_eq!(slots.take(at(arrived), Duration::from_millis(length)), at(begins), "{arrived}");
        }
        assert_eq!(Slots::new(None).take(at(5), Duration::from_secs(9)), at(5));
    }

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
