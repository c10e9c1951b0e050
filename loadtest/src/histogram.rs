//! Times in an HDR histogram: microseconds to three digits, however many there are.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time that the histograms hold, in microseconds (an hour); longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// Shares of the times at which a curve has its points.
const CURVE: &[f64] = &[
    0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998,
    0.999, 0.9995, 0.9999,
];

/// Times in microseconds, to three digits.
#[derive(Debug, Clone)]
pub struct Times {
    histogram: Option<Histogram<u64>>,
    recent: Recent,
}

/// The times since someone last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Recent {
    /// Adds what came later.
    pub fn add(&mut self, later: &Self) {
        self.count += later.count;
        self.sum_us = self.sum_us.saturating_add(later.sum_us);
        self.max_us = self.max_us.max(later.max_us);
    }

    /// Their mean.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_us as f64 / self.count as f64 / 1_000.0)
    }

    /// The longest.
    pub fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max_us as f64 / 1_000.0)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, LONGEST_US, 3).ok(), recent: Recent::default() }
    }
}

impl Times {
    /// Adds one. Less than a microsecond counts as one.
    pub fn record(&mut self, time: Duration) {
        let us = ((time.as_nanos() / 1_000).min(u128::from(LONGEST_US)) as u64).max(1);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(us);
        }
        self.recent.add(&Recent { count: 1, sum_us: us, max_us: us });
    }

    /// What came since the last call.
    pub fn take_recent(&mut self) -> Recent {
        std::mem::take(&mut self.recent)
    }

    /// The median and the 99th percentile alone, which are quick to find.
    pub fn p50_p99_ms(&self) -> Option<(f64, f64)> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Some((at(0.5), at(0.99)))
    }

    /// Share of the times and the milliseconds that it keeps within, as far as there are times enough to tell.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let Some(histogram) = self.histogram.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return Vec::new();
        };
        let known = |share: &&f64| **share <= 0.5 || (1.0 - **share) * histogram.len() as f64 >= 1.0;
        CURVE.iter().filter(known).map(|share| (*share, histogram.value_at_quantile(*share) as f64 / 1_000.0)).collect()
    }

    /// How many were added.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The percentiles, or nothing when no time was added.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
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
    fn curves_end_where_the_times_do() {
        let mut times = Times::default();
        assert!(times.curve().is_empty() && times.p50_p99_ms().is_none());
        (1..=100).for_each(|ms| times.record(Duration::from_millis(ms)));
        let curve = times.curve();
        let (share, ms) = *curve.last().unwrap();
        assert!((share - 0.99).abs() < 1e-9 && (ms - 99.0).abs() < 0.2, "{curve:?}");
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{curve:?}");
        let (median, p99) = times.p50_p99_ms().unwrap();
        assert!((median - 50.0).abs() < 0.2 && (p99 - 99.0).abs() < 0.2);
    }

    #[test]
    fn recent_times_are_told_once() {
        let mut times = Times::default();
        for ms in [2, 4, 9] {
            times.record(Duration::from_millis(ms));
        }
        let mut recent = times.take_recent();
        assert_eq!((recent.mean_ms(), recent.max_ms()), (Some(5.0), Some(9.0)));
        assert_eq!(times.take_recent(), Recent::default());
        times.record(Duration::from_millis(1));
        recent.add(&times.take_recent());
        assert_eq!((recent.mean_ms(), recent.max_ms()), (Some(4.0), Some(9.0)));
        assert_eq!((Recent::default().mean_ms(), times.count()), (None, 4));
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
