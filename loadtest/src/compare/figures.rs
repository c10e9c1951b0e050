//! The figures that are compared, and their ratio with its spread.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::histogram::Percentiles;
use crate::report::Report;

/// A figure of a report.
pub struct Kind {
    /// Its key in the JSON result.
    pub key: &'static str,
    /// What it is called in tables.
    pub label: &'static str,
    /// A higher one is better.
    pub higher: bool,
    find: fn(&Report) -> Option<f64>,
}

fn some(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

fn of(times: Option<Percentiles>, which: impl Fn(Percentiles) -> f64) -> Option<f64> {
    times.map(which)
}

/// All figures, as tables order them.
pub const KINDS: &[Kind] = &[
    Kind {
        key: "output_tokens_per_second",
        label: "output tokens/s",
        higher: true,
        find: |report| some(report.output_tokens_per_second),
    },
    Kind {
        key: "input_tokens_per_second",
        label: "prompt tokens/s",
        higher: true,
        find: |report| some(report.input_tokens_per_second),
    },
    Kind {
        key: "vectors_per_second",
        label: "vectors/s",
        higher: true,
        find: |report| some(report.vectors_per_second),
    },
    Kind {
        key: "requests_per_second",
        label: "requests/s",
        higher: true,
        find: |report| some(report.requests_per_second),
    },
    Kind {
        key: "goodput_per_second",
        label: "goodput/s",
        higher: true,
        find: |report| report.setup.goal_ms.and(some(report.goodput_per_second)),
    },
    Kind {
        key: "bytes_in_per_second",
        label: "bytes in/s",
        higher: true,
        find: |report| if report.output_tokens + report.vectors > 0 { None } else { some(report.bytes_in_per_second) },
    },
    Kind { key: "ttft_p50_ms", label: "first event p50 ms", higher: false, find: |r| of(r.ttft_ms, |t| t.p50) },
    Kind { key: "ttft_p99_ms", label: "first event p99 ms", higher: false, find: |r| of(r.ttft_ms, |t| t.p99) },
    Kind { key: "itl_p50_ms", label: "between events p50 ms", higher: false, find: |r| of(r.itl_ms, |t| t.p50) },
    Kind { key: "itl_p99_ms", label: "between events p99 ms", higher: false, find: |r| of(r.itl_ms, |t| t.p99) },
    Kind { key: "e2e_p50_ms", label: "whole answer p50 ms", higher: false, find: |r| of(r.e2e_ms, |t| t.p50) },
    Kind { key: "e2e_p99_ms", label: "whole answer p99 ms", higher: false, find: |r| of(r.e2e_ms, |t| t.p99) },
    Kind {
        key: "server_cpu_us_per_event",
        label: "server CPU us/event",
        higher: false,
        find: |report| report.server_cpu_us_per_event,
    },
    Kind {
        key: "server_cpu_us_per_request",
        label: "server CPU us/request",
        higher: false,
        find: |report| report.server_cpu_us_per_request,
    },
];

/// A number over several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle round.
    pub median: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
}

impl Spread {
    /// The spread of numbers; nothing without any.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted.get((sorted.len() - 1) / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Self { median: f64::midpoint(*below, *above), low, high })
    }
}

/// One figure on both servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// `higher` or `lower`.
    pub better: &'static str,
    /// The first server's rounds.
    pub a: Spread,
    /// The second server's.
    pub b: Spread,
    /// The first over the second, in each round.
    pub ratio: Spread,
    /// Every round says that the same server is ahead: the ratio's spread leaves out 1.
    pub agree: bool,
    /// The ratio of each round, in order.
    pub ratios: Vec<f64>,
}

/// The figures that every round has on both servers.
pub fn figures(a: &[Report], b: &[Report]) -> BTreeMap<&'static str, Figure> {
    let figure = |kind: &Kind| {
        let all = |reports: &[Report]| reports.iter().map(kind.find).collect::<Option<Vec<f64>>>();
        let (a, b) = (all(a)?, all(b)?);
        let ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).filter(|ratio| ratio.is_finite()).collect();
        let ratio = Spread::of(&ratios)?;
        let agree = ratio.low > 1.0 || ratio.high < 1.0;
        let better = if kind.higher { "higher" } else { "lower" };
        Some(Figure { better, a: Spread::of(&a)?, b: Spread::of(&b)?, ratio, agree, ratios })
    };
    KINDS.iter().filter_map(|kind| Some((kind.key, figure(kind)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_is_told_with_the_extremes() {
        for (numbers, want) in [
            (&[3.0][..], (3.0, 3.0, 3.0)),
            (&[5.0, 1.0], (3.0, 1.0, 5.0)),
            (&[9.0, 1.0, 2.0], (2.0, 1.0, 9.0)),
            (&[4.0, 1.0, 2.0, 3.0], (2.5, 1.0, 4.0)),
        ] {
            let got = Spread::of(numbers).unwrap();
            assert_eq!((got.median, got.low, got.high), want);
        }
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_those_of_each_round() {
        let report = |tokens: f64| Report { output_tokens_per_second: tokens, ..Report::empty() };
        let found = figures(&[report(20.0), report(33.0), report(10.0)], &[report(10.0), report(11.0), report(5.0)]);
        let tokens = &found["output_tokens_per_second"];
        assert_eq!(tokens.ratio, Spread { median: 2.0, low: 2.0, high: 3.0 });
        assert!(tokens.agree && tokens.better == "higher" && tokens.ratios == [2.0, 3.0, 2.0]);
        assert_eq!(tokens.b, Spread { median: 10.0, low: 5.0, high: 11.0 });
        assert_eq!(found.len(), 1, "what no round has is left out: {found:?}");
        let found = figures(&[report(20.0), report(9.0)], &[report(10.0), report(10.0)]);
        assert!(!found["output_tokens_per_second"].agree);
        assert!(figures(&[report(20.0), report(0.0)], &[report(1.0), report(1.0)]).is_empty());
    }

    #[test]
    fn keys_are_no_paths() {
        assert!(KINDS.iter().all(|kind| !kind.key.contains('.')), "--fail-if splits at dots");
    }
}
