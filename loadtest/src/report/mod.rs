//! What a run found: one structure that is written as JSON, printed as a table and drawn as HTML.

mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::client::Outcome;
use crate::goal::GoalMs;
use crate::histogram::{Percentiles, Times};
use crate::timeline::Point;

/// CPU time of this process over wall time from which on it is held to be the bottleneck: it feeds from one core.
const OWN_SHARE_MAX: f64 = 0.85;
/// The same in the busiest half second.
const OWN_PEAK_SHARE_MAX: f64 = 0.97;
/// Late wakings of this core, p99 in milliseconds, that are told.
const LAG_MS_MAX: f64 = 5.0;

/// What the run was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Setup {
    /// The server.
    pub url: String,
    /// The API, as the flag names it.
    pub api: String,
    /// The model, empty where none is asked.
    pub model: String,
    /// `closed` or `open`.
    pub r#loop: &'static str,
    /// Clients of a closed loop; null for an open one.
    pub concurrency: Option<u32>,
    /// Requests a second of an open loop, at its start; null for a closed one.
    pub rate: Option<f64>,
    /// `io_uring` or `epoll`: what this client ran on.
    pub driver: &'static str,
    /// Different prompts; later requests take them again.
    pub prompts: u64,
    /// The objective, in milliseconds.
    pub goal_ms: Option<GoalMs>,
    /// When it began, in UTC (RFC 3339).
    pub began: String,
}

/// Shares of the times and the milliseconds that they keep within, for drawing.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    /// First events.
    pub ttft: Vec<(f64, f64)>,
    /// Between events.
    pub itl: Vec<(f64, f64)>,
    /// Whole answers.
    pub e2e: Vec<(f64, f64)>,
}

/// The whole result. A field that does not apply is null.
///
/// Numbers and times are those of the counted requests: those that began behind the warm-up. Rates are those of the
/// window: all that came between the start of the first counted request and the end (of the last answer, or of
/// `--duration`), over its length.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked.
    #[serde(flatten)]
    pub setup: Setup,
    /// Requests with a whole answer.
    pub requests: u64,
    /// Requests without.
    pub errors: u64,
    /// The same, by kind: `connect`, `write`, `read`, `truncated` (the connection ended early), `http` (no HTTP),
    /// `status_3xx` to `status_5xx`, `stream` (it told of an error, or is none), `incomplete` (no last event).
    pub errors_by_kind: BTreeMap<&'static str, u64>,
    /// The first error of each kind in words, those of the warm-up too.
    pub first_errors: BTreeMap<&'static str, String>,
    /// Failed requests of the warm-up.
    pub warmup_errors: u64,
    /// Clients that left in the middle of an answer, as told to.
    pub left: u64,
    /// Requests that were due or under way when the run was cut off.
    pub unfinished: u64,
    /// Connections that were opened, those of the warm-up too.
    pub connections: u64,
    /// Requests that found their connection closed by the server and went over a new one.
    pub stale_connections: u64,
    /// Length of the window.
    pub wall_seconds: f64,
    /// Whole answers per second.
    pub requests_per_second: f64,
    /// Answers per second that kept the objective (without one: all).
    pub goodput_per_second: f64,
    /// Answers that are held against the objective: all but those of slow clients.
    pub judged: u64,
    /// Answers that kept the objective.
    pub good: u64,
    /// The same as a share of the answers that are judged.
    pub good_share: Option<f64>,
    /// Events with text (or lines, for plain requests).
    pub events: u64,
    /// Per second, all connections together.
    pub events_per_second: f64,
    /// Tokens of the answers, as the server counts them; where it does not, by events.
    pub output_tokens: u64,
    /// Per second, all connections together.
    pub output_tokens_per_second: f64,
    /// Tokens of the prompts, as the server counts them.
    pub prompt_tokens: u64,
    /// Per second, all connections together, when answers end.
    pub input_tokens_per_second: f64,
    /// Answers whose events are not as many as the tokens that the server counts.
    pub answers_differing: u64,
    /// Answers without the server's count.
    pub answers_uncounted: u64,
    /// Vectors of embeddings.
    pub vectors: u64,
    /// Per second.
    pub vectors_per_second: f64,
    /// Bytes read, heads and framing included.
    pub bytes_in: u64,
    /// Per second.
    pub bytes_in_per_second: f64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Per second.
    pub bytes_out_per_second: f64,
    /// From the intended start to the first event (for bytes: to the first of the body).
    pub ttft_ms: Option<Percentiles>,
    /// Between two events of a request.
    pub itl_ms: Option<Percentiles>,
    /// The longest of these in each request.
    pub longest_gap_ms: Option<Percentiles>,
    /// From the intended start to the end of the answer.
    pub e2e_ms: Option<Percentiles>,
    /// Open loop: from the intended start to the actual one.
    pub start_lag_ms: Option<Percentiles>,
    /// How late this client's core woke.
    pub client_lag_ms: Option<Percentiles>,
    /// CPU time of this client.
    pub client_cpu_seconds: Option<f64>,
    /// The same over the wall time: 1 is one core.
    pub client_cpu_share: Option<f64>,
    /// CPU time of the process of `--pid` with its children, or of its threads of that name.
    pub server_cpu_seconds: Option<f64>,
    /// The same over the requests of the window, in microseconds.
    pub server_cpu_us_per_request: Option<f64>,
    /// The same over the events of the window, in microseconds.
    pub server_cpu_us_per_event: Option<f64>,
    /// Most resident memory that was seen; pages that processes share count in each.
    pub server_memory_bytes: Option<u64>,
    /// Most threads that were seen.
    pub server_threads: Option<u64>,
    /// What to know before these figures are believed.
    pub warnings: Vec<String>,
    /// The window in pieces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Point>,
    /// How the times lie; the JSON has the percentiles instead.
    #[serde(skip)]
    pub curves: Curves,
}

impl Report {
    /// Why a request failed, of those that did.
    pub fn why_failed(&self) -> String {
        let most = self.errors_by_kind.iter().max_by_key(|(_, count)| **count);
        most.and_then(|(kind, _)| self.first_errors.get(kind)).cloned().unwrap_or_default()
    }

    /// Closes the books.
    pub fn new(setup: Setup, outcome: &Outcome) -> Self {
        let (tally, window) = (&outcome.tally, outcome.tally.window());
        let seconds = window.length.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let server = outcome.server_cpu;
        let each = |count: u64| server.filter(|_| count > 0).map(|spent| spent * 1e6 / count as f64);
        let (counted, rate) = (tally.counted, window.counters);
        let seen = |value: u64| (value > 0).then_some(value);
        let mut report = Self {
            setup,
            requests: counted.requests,
            errors: tally.errors.values().sum(),
            errors_by_kind: tally.errors.clone(),
            first_errors: tally.first_errors.clone(),
            warmup_errors: tally.warmup_errors,
            left: tally.left,
            unfinished: tally.unfinished,
            connections: tally.connections,
            stale_connections: tally.stale,
            wall_seconds: seconds,
            requests_per_second: per_second(rate.requests),
            goodput_per_second: per_second(rate.good),
            judged: counted.judged,
            good: counted.good,
            good_share: (counted.judged > 0).then(|| counted.good as f64 / counted.judged as f64),
            events: counted.events,
            events_per_second: per_second(rate.events),
            output_tokens: counted.output_tokens,
            output_tokens_per_second: per_second(rate.output_tokens),
            prompt_tokens: counted.prompt_tokens,
            input_tokens_per_second: per_second(rate.prompt_tokens),
            answers_differing: tally.differing,
            answers_uncounted: tally.uncounted,
            vectors: counted.vectors,
            vectors_per_second: per_second(rate.vectors),
            bytes_in: counted.bytes_in,
            bytes_in_per_second: per_second(rate.bytes_in),
            bytes_out: counted.bytes_out,
            bytes_out_per_second: per_second(rate.bytes_out),
            ttft_ms: tally.ttft.percentiles(),
            itl_ms: tally.itl.percentiles(),
            longest_gap_ms: tally.longest_gap.percentiles(),
            e2e_ms: tally.e2e.percentiles(),
            start_lag_ms: tally.start_lag.percentiles(),
            client_lag_ms: outcome.lag.percentiles(),
            client_cpu_seconds: outcome.own_cpu,
            client_cpu_share: outcome.own_cpu.filter(|_| seconds > 0.0).map(|spent| spent / seconds),
            server_cpu_seconds: server,
            server_cpu_us_per_request: each(rate.requests),
            server_cpu_us_per_event: each(rate.events),
            server_memory_bytes: seen(outcome.peak.memory),
            server_threads: seen(outcome.peak.threads),
            warnings: Vec::new(),
            timeline: outcome.timeline.clone(),
            curves: Curves { ttft: tally.ttft.curve(), itl: tally.itl.curve(), e2e: tally.e2e.curve() },
        };
        if outcome.interrupted {
            report.warnings.push("the run was interrupted before its end".to_owned());
        }
        report.warn(outcome.peak.own_share, &outcome.lag);
        report
    }

    fn warn(&mut self, own_peak: f64, lag: &Times) {
        let warnings = &mut self.warnings;
        let share = self.client_cpu_share.unwrap_or(0.0);
        if share > OWN_SHARE_MAX || own_peak > OWN_PEAK_SHARE_MAX {
            let most = 100.0 * share.max(own_peak);
            warnings.push(format!(
                "this client used up to {most:.0} % of its core: it may be the bottleneck, not the server"
            ));
        }
        if let Some(late) = lag.percentiles().filter(|late| late.p99 > LAG_MS_MAX) {
            warnings.push(format!(
                "this client woke up to {:.1} ms late (p99): times below that say little; is the machine busy?",
                late.p99
            ));
        }
        if self.unfinished > 0 {
            warnings.push(format!(
                "{} requests were cut off: the times leave out the longest, and look better than they are",
                self.unfinished
            ));
        }
        if self.answers_differing > 0 {
            warnings.push(format!(
                "in {} answers the server's count of tokens is not the number of events: several tokens in one event, \
                 or none",
                self.answers_differing
            ));
        }
        if self.answers_uncounted > 0 {
            warnings.push(format!("{} answers told no count of tokens: events stand for them", self.answers_uncounted));
        }
        let asked = self.requests + self.errors;
        if self.setup.prompts > 1 && asked > self.setup.prompts {
            warnings.push(format!(
                "{asked} requests took {} different prompts: a cache of prompts helps the server",
                self.setup.prompts
            ));
        }
    }
}

#[cfg(test)]
impl Report {
    /// A report of nothing, for tests to fill in.
    pub fn empty() -> Self {
        let outcome = Outcome {
            tally: crate::tally::Tally::default(),
            own_cpu: None,
            server_cpu: None,
            peak: crate::process::Peak::default(),
            lag: Times::default(),
            timeline: Vec::new(),
            interrupted: false,
        };
        Self::new(tests::setup(), &outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RequestError;
    use crate::goal::Goal;
    use crate::process::Peak;
    use crate::tally::Tally;
    use std::io;
    use std::time::{Duration, Instant};

    pub(super) fn setup() -> Setup {
        Setup {
            url: "http://h:1".to_owned(),
            api: "generate".to_owned(),
            model: "m".to_owned(),
            r#loop: "closed",
            concurrency: Some(2),
            rate: None,
            driver: "epoll",
            prompts: 2,
            goal_ms: None,
            began: "2025-01-01T00:00:00Z".to_owned(),
        }
    }

    fn outcome(tally: Tally, server_cpu: Option<f64>) -> Outcome {
        let peak = Peak { memory: 1 << 20, threads: 3, own_share: 0.2 };
        Outcome {
            tally,
            own_cpu: Some(0.5),
            server_cpu,
            peak,
            lag: Times::default(),
            timeline: Vec::new(),
            interrupted: false,
        }
    }

    /// Four answers with 100 events and 90 tokens in two seconds, and three errors.
    fn tally() -> Tally {
        let (mut tally, start) = (Tally::new(Goal::default()), Instant::now());
        tally.open(start);
        (0..100).for_each(|_| tally.event(true, true));
        tally.finish(true, 25, Some(15), Some(8), 0);
        (0..3).for_each(|_| tally.finish(true, 25, Some(25), Some(4), 0));
        (0..3).for_each(|_| tally.fail(&RequestError::Connect(io::ErrorKind::ConnectionRefused.into()), true));
        tally.ttft.record(Duration::from_millis(5));
        tally.close(start + Duration::from_secs(2));
        tally
    }

    #[test]
    fn rates_and_cpu() {
        let json = serde_json::to_value(Report::new(setup(), &outcome(tally(), Some(0.001)))).unwrap();
        for (field, want) in [
            ("requests", 4.0),
            ("requests_per_second", 2.0),
            ("events_per_second", 50.0),
            ("output_tokens", 90.0),
            ("output_tokens_per_second", 45.0),
            ("input_tokens_per_second", 10.0),
            ("errors", 3.0),
            ("server_cpu_us_per_request", 250.0),
            ("server_cpu_us_per_event", 10.0),
            ("client_cpu_seconds", 0.5),
            ("client_cpu_share", 0.25),
            ("server_threads", 3.0),
        ] {
            assert_eq!(json[field].as_f64(), Some(want), "{field}");
        }
        assert_eq!((&json["errors_by_kind"]["connect"], &json["loop"]), (&3.into(), &"closed".into()));
        assert!(json["itl_ms"].is_null() && json["ttft_ms"]["p50"].as_f64().unwrap() > 4.9);
        let empty = Report::new(setup(), &outcome(Tally::default(), None));
        assert!(empty.server_cpu_us_per_event.is_none() && empty.requests_per_second == 0.0);
    }

    #[test]
    fn warnings_are_told() {
        let mut found = outcome(tally(), None);
        found.own_cpu = Some(1.9);
        found.tally.differing = 1;
        found.tally.unfinished = 2;
        found.lag.record(Duration::from_millis(50));
        let report = Report::new(setup(), &found);
        for part in
            ["95 % of its core", "50.0 ms late", "2 requests were cut off", "count of tokens", "7 requests took 2"]
        {
            assert!(report.warnings.iter().any(|warning| warning.contains(part)), "{part}: {:?}", report.warnings);
        }
        let table = report.table();
        assert!(
            table.contains("error connect               3  connecting: connection refused")
                && table.contains("note: this client used"),
            "{table}"
        );
        assert!(table.contains("first event"), "{table}");
    }
}
