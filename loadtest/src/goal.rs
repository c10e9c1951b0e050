//! The objective under which a request counts as good, and the conditions under which a run has failed.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Bounds that a request has to keep; none means that every answer is good.
#[derive(Debug, Clone, Copy, Default)]
pub struct Goal {
    /// Time to the first event.
    pub ttft: Option<Duration>,
    /// Mean time between events of one stream.
    pub itl: Option<Duration>,
    /// Longest time between two events of one stream.
    pub gap: Option<Duration>,
    /// Time to the end of the answer.
    pub e2e: Option<Duration>,
}

/// How an answer came, as far as a [`Goal`] asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Time to the first event; nothing if there was none.
    pub ttft: Option<Duration>,
    /// Mean time between events; nothing for fewer than two.
    pub itl: Option<Duration>,
    /// Longest time between two events.
    pub gap: Option<Duration>,
    /// Time to the end.
    pub e2e: Duration,
}

impl Goal {
    /// Whether an answer keeps all bounds. A stream without a first event misses a bound on it.
    pub fn is_met(&self, pace: &Pace) -> bool {
        let within = |bound: Option<Duration>, found: Option<Duration>| {
            bound.is_none_or(|bound| found.is_none_or(|found| found <= bound))
        };
        let first = self.ttft.is_none_or(|bound| pace.ttft.is_some_and(|ttft| ttft <= bound));
        first && within(self.itl, pace.itl) && within(self.gap, pace.gap) && within(self.e2e, Some(pace.e2e))
    }

    /// The bounds in milliseconds, or nothing without any.
    pub fn told(&self) -> Option<GoalMs> {
        let ms = |bound: Option<Duration>| bound.map(|bound| bound.as_secs_f64() * 1000.0);
        let any = self.ttft.or(self.itl).or(self.gap).or(self.e2e);
        any.map(|_| GoalMs { ttft: ms(self.ttft), itl: ms(self.itl), gap: ms(self.gap), e2e: ms(self.e2e) })
    }
}

/// The bounds of a [`Goal`], in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GoalMs {
    /// First event.
    pub ttft: Option<f64>,
    /// Mean between events of a stream.
    pub itl: Option<f64>,
    /// Longest between events of a stream.
    pub gap: Option<f64>,
    /// End of the answer.
    pub e2e: Option<f64>,
}

/// A condition on a number of the report, as `--fail-if` writes it: `ttft_ms.p99>500`.
#[derive(Debug, Clone, PartialEq)]
pub struct FailIf {
    text: String,
    path: Vec<String>,
    compare: Compare,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl FromStr for FailIf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The longer sign goes first: `>=` holds a `>`.
        const SIGNS: &[(&str, Compare)] =
            &[(">=", Compare::AtLeast), ("<=", Compare::AtMost), (">", Compare::Above), ("<", Compare::Below)];
        let bad = || format!("{text:?} is no condition like ttft_ms.p99>500");
        let (sign, compare) = SIGNS.iter().find(|(sign, _)| text.contains(sign)).ok_or_else(bad)?;
        let (path, limit) = text.split_once(sign).ok_or_else(bad)?;
        let limit: f64 = limit.trim().parse().map_err(|_| bad())?;
        let path: Vec<_> = path.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || limit.is_nan() {
            return Err(bad());
        }
        Ok(Self { text: text.to_owned(), path, compare: *compare, limit })
    }
}

impl FailIf {
    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the report meets the condition. A number that the report lacks is told as an error: a typing mistake
    /// must not look like success.
    ///
    /// # Errors
    /// The sentence to tell.
    pub fn is_met(&self, report: &Value) -> Result<bool, String> {
        let found = self.path.iter().try_fold(report, |value, key| value.get(key));
        let found = found.and_then(Value::as_f64);
        let number = found.ok_or_else(|| format!("--fail-if {}: the report has no such number", self.text))?;
        Ok(match self.compare {
            Compare::Above => number > self.limit,
            Compare::AtLeast => number >= self.limit,
            Compare::Below => number < self.limit,
            Compare::AtMost => number <= self.limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let pace = Pace { ttft: ms(100), itl: ms(20), gap: ms(80), e2e: Duration::from_secs(2) };
        let none = Goal::default();
        assert!(none.is_met(&pace) && none.told().is_none());
        for (goal, want) in [
            (Goal { ttft: ms(100), ..none }, true),
            (Goal { ttft: ms(99), ..none }, false),
            (Goal { itl: ms(20), gap: ms(79), ..none }, false),
            (Goal { itl: ms(19), ..none }, false),
            (Goal { e2e: ms(1999), ..none }, false),
            (Goal { ttft: ms(100), itl: ms(20), gap: ms(80), e2e: ms(2000) }, true),
        ] {
            assert_eq!(goal.is_met(&pace), want, "{goal:?}");
        }
        let one_event = Pace { itl: None, gap: None, ..pace };
        assert!(Goal { itl: ms(1), gap: ms(1), ..none }.is_met(&one_event));
        assert!(!Goal { ttft: ms(1), ..none }.is_met(&Pace { ttft: None, ..pace }));
    }

    #[test]
    fn conditions() {
        let report = json!({"errors": 2, "ttft_ms": {"p99": 500.0}, "itl_ms": null});
        for (text, want) in [
            ("errors>1", true),
            ("errors > 2", false),
            ("errors>=2", true),
            ("ttft_ms.p99<=500", true),
            ("ttft_ms.p99<500", false),
        ] {
            assert_eq!(text.parse::<FailIf>().unwrap().is_met(&report), Ok(want), "{text}");
        }
        assert!("itl_ms.p99>1".parse::<FailIf>().unwrap().is_met(&report).is_err());
        for bad in ["", "errors", "errors>", ">3", "a..b>3", "errors=3", "errors>NaN"] {
            assert!(bad.parse::<FailIf>().is_err(), "{bad}");
        }
    }
}
