//! Times in an HDR histogram: microseconds to three digits, however many there are.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time that the histograms hold, in microseconds (an hour); longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// Times in microseconds, to three digits.
#[derive(Debug, Clone)]
pub struct Times(Option<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).ok())
    }
}

impl Times {
    /// Adds one. Less than a microsecond counts as one.
    pub fn record(&mut self, time: Duration) {
        let us = (time.as_nanos() / 1_000).min(u128::from(LONGEST_US)) as u64;
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(us.max(1));
        }
    }

    /// How many were added.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The percentiles, or nothing when no time was added.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        Some(Percentiles {
            mean: histogram.mean() / 1_000.0,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            max: ms(histogram.max()),
        })
    }
}

/// Percentiles of a time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// The mean.
    pub mean: f64,
    /// Half of the times are at most this.
    pub p50: f64,
    /// Nine in ten.
    pub p90: f64,
    /// 19 in 20.
    pub p95: f64,
    /// 99 in 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(), None);
        (1..=100).for_each(|ms| times.record(Duration::from_millis(ms)));
        let got = times.percentiles().unwrap();
        let near = |got: f64, want: f64| assert!((got - want).abs() <= want * 0.002, "{got} {want}");
        near(got.p50, 50.0);
        near(got.p90, 90.0);
        near(got.p95, 95.0);
        near(got.p99, 99.0);
        near(got.max, 100.0);
        near(got.mean, 50.5);
    }

    /// Against sorted times, over five orders of magnitude.
    #[test]
    fn quantiles_are_those_of_sorting() {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut times, mut all) = (Times::default(), Vec::new());
        for _ in 0..20_000 {
            let us = 10_f64.powf(random.f64() * 5.0 + 1.0) as u64;
            times.record(Duration::from_micros(us));
            all.push(us);
        }
        all.sort_unstable();
        let got = times.percentiles().unwrap();
        for (quantile, got) in [(0.5, got.p50), (0.9, got.p90), (0.95, got.p95), (0.99, got.p99), (1.0, got.max)] {
            let want = all[((all.len() as f64 * quantile) as usize).saturating_sub(1)] as f64 / 1000.0;
            assert!((got - want).abs() <= want * 0.002, "{quantile}: {got} {want}");
        }
    }

    #[test]
    fn out_of_range_is_clamped() {
        let mut times = Times::default();
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(100_000));
        let got = times.percentiles().unwrap();
        assert_eq!(times.count(), 2);
        assert!((got.p50 - 0.001).abs() < 1e-9 && got.max > 3_590_000.0, "{got:?}");
    }
}
