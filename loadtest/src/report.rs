//! What a run found: counted while it runs, printed and written as JSON at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time that the histograms hold, in microseconds; longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// Times in microseconds, to three digits.
#[derive(Debug, Clone)]
pub struct Times(Option<Histogram<u64>>);

impl Times {
    /// No times yet.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).ok())
    }

    /// Adds one.
    pub fn record(&mut self, time: Duration) {
        let us = (time.as_nanos() / 1_000).min(u128::from(LONGEST_US)) as u64;
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(us.max(1));
        }
    }

    /// The percentiles, or nothing when no time was recorded.
    fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        Some(Percentiles { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: ms(histogram.max()) })
    }
}

/// Percentiles of a time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
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

/// What is counted while a run goes on.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests with a whole answer.
    pub requests: u64,
    /// Requests without, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Events with text (or lines, for plain requests).
    pub events: u64,
    /// Tokens of the answers, as the final events count them.
    pub output_tokens: u64,
    /// Tokens of the prompts, likewise.
    pub prompt_tokens: u64,
    /// From sending a request to its first event.
    pub ttft: Times,
    /// Between two events of a request. Events that one read brought lie 0 apart.
    pub itl: Times,
    /// From sending a request to the end of its answer.
    pub e2e: Times,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            requests: 0,
            errors: BTreeMap::new(),
            events: 0,
            output_tokens: 0,
            prompt_tokens: 0,
            ttft: Times::new(),
            itl: Times::new(),
            e2e: Times::new(),
        }
    }
}

/// What the run was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Setup {
    /// The server.
    pub url: String,
    /// The API, as the flag names it.
    pub api: String,
    /// The model, empty for plain requests.
    pub model: String,
    /// Connections that each keep one request going.
    pub concurrency: usize,
    /// `io_uring` or `epoll`: what this client ran on.
    pub driver: &'static str,
}

/// CPU time spent during the run, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cpu {
    /// This client.
    pub client_cpu_seconds: Option<f64>,
    /// The process of `--pid`, or its threads of that name.
    pub server_cpu_seconds: Option<f64>,
}

/// The whole result. A field that does not apply is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked.
    #[serde(flatten)]
    pub setup: Setup,
    /// Requests with a whole answer.
    pub requests: u64,
    /// Requests without.
    pub errors: u64,
    /// The same, by kind: `connect`, `write`, `read`, `http`, `status_NNN` by hundreds, `stream`.
    pub errors_by_kind: BTreeMap<&'static str, u64>,
    /// From the first request to the end of the last answer.
    pub wall_seconds: f64,
    /// Whole answers per second.
    pub requests_per_second: f64,
    /// Events with text (or lines, for plain requests).
    pub events: u64,
    /// Per second, all connections together.
    pub events_per_second: f64,
    /// Tokens of the answers, as the final events count them.
    pub output_tokens: u64,
    /// Per second, all connections together.
    pub output_tokens_per_second: f64,
    /// Tokens of the prompts, as the final events count them.
    pub prompt_tokens: u64,
    /// From sending a request to its first event.
    pub ttft_ms: Option<Percentiles>,
    /// Between two events of a request.
    pub itl_ms: Option<Percentiles>,
    /// From sending a request to the end of its answer.
    pub e2e_ms: Option<Percentiles>,
    /// CPU time.
    #[serde(flatten)]
    pub cpu: Cpu,
    /// The server's CPU time over the requests, in microseconds.
    pub server_cpu_us_per_request: Option<f64>,
    /// The server's CPU time over the events, in microseconds.
    pub server_cpu_us_per_event: Option<f64>,
}

impl Report {
    /// Closes the books.
    pub fn new(setup: Setup, tally: &Tally, wall: Duration, cpu: Cpu) -> Self {
        let seconds = wall.as_secs_f64().max(1e-9);
        let per = |count: u64| cpu.server_cpu_seconds.filter(|_| count > 0).map(|spent| spent * 1e6 / count as f64);
        Self {
            setup,
            requests: tally.requests,
            errors: tally.errors.values().sum(),
            errors_by_kind: tally.errors.clone(),
            wall_seconds: seconds,
            requests_per_second: tally.requests as f64 / seconds,
            events: tally.events,
            events_per_second: tally.events as f64 / seconds,
            output_tokens: tally.output_tokens,
            output_tokens_per_second: tally.output_tokens as f64 / seconds,
            prompt_tokens: tally.prompt_tokens,
            ttft_ms: tally.ttft.percentiles(),
            itl_ms: tally.itl.percentiles(),
            e2e_ms: tally.e2e.percentiles(),
            cpu,
            server_cpu_us_per_request: per(tally.requests),
            server_cpu_us_per_event: per(tally.events),
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!(
                "{} {} at {} connections ({})",
                self.setup.api, self.setup.url, self.setup.concurrency, self.setup.driver
            ),
            format!(
                "requests       {:>12}  {:>12.1} /s in {:.2} s",
                self.requests, self.requests_per_second, self.wall_seconds
            ),
            format!("events         {:>12}  {:>12.1} /s", self.events, self.events_per_second),
            format!("output tokens  {:>12}  {:>12.1} /s", self.output_tokens, self.output_tokens_per_second),
            format!("prompt tokens  {:>12}", self.prompt_tokens),
            format!("{:<14} {:>12}  {:>10}  {:>10}  {:>10}  {:>10}", "ms", "p50", "p90", "p95", "p99", "max"),
        ];
        let times = [("first event", self.ttft_ms), ("between events", self.itl_ms), ("whole answer", self.e2e_ms)];
        for (name, times) in times {
            if let Some(t) = times {
                let rest = format!("{:>10.2}  {:>10.2}  {:>10.2}  {:>10.2}", t.p90, t.p95, t.p99, t.max);
                lines.push(format!("{name:<14} {:>12.2}  {rest}", t.p50));
            }
        }
        if let Some(seconds) = self.cpu.client_cpu_seconds {
            lines.push(format!("client CPU     {seconds:>12.3} s"));
        }
        if let Some(seconds) = self.cpu.server_cpu_seconds {
            let per_request = self.server_cpu_us_per_request.unwrap_or(0.0);
            let per_event = self.server_cpu_us_per_event.unwrap_or(0.0);
            lines.push(format!(
                "server CPU     {seconds:>12.3} s  {per_request:.2} us a request, {per_event:.3} us an event"
            ));
        }
        for (kind, count) in &self.errors_by_kind {
            lines.push(format!("error {kind:<14} {count}"));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tally: &Tally, server: Option<f64>) -> Report {
        let setup = Setup {
            url: "http://h:1".to_owned(),
            api: "generate".to_owned(),
            model: "m".to_owned(),
            concurrency: 2,
            driver: "epoll",
        };
        let cpu = Cpu { client_cpu_seconds: Some(0.5), server_cpu_seconds: server };
        Report::new(setup, tally, Duration::from_secs(2), cpu)
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut times = Times::new();
        assert_eq!(times.percentiles(), None);
        (1..=100).for_each(|ms| times.record(Duration::from_millis(ms)));
        let got = times.percentiles().unwrap();
        let near = |got: f64, want: f64| assert!((got - want).abs() <= want * 0.002, "{got} {want}");
        near(got.p50, 50.0);
        near(got.p90, 90.0);
        near(got.p99, 99.0);
        near(got.max, 100.0);
    }

    #[test]
    fn rates_come_from_the_wall_clock_and_cpu_from_the_server() {
        let mut tally = Tally::new();
        (tally.requests, tally.events, tally.output_tokens) = (4, 100, 90);
        tally.errors.insert("connect", 3);
        tally.ttft.record(Duration::from_millis(5));
        let json = serde_json::to_value(report(&tally, Some(0.001))).unwrap();
        for (field, want) in [
            ("requests_per_second", 2.0),
            ("events_per_second", 50.0),
            ("output_tokens_per_second", 45.0),
            ("errors", 3.0),
            ("server_cpu_us_per_request", 250.0),
            ("server_cpu_us_per_event", 10.0),
            ("client_cpu_seconds", 0.5),
        ] {
            assert_eq!(json[field].as_f64(), Some(want), "{field}");
        }
        assert_eq!(json["errors_by_kind"]["connect"], 3);
        assert!(json["itl_ms"].is_null() && json["ttft_ms"]["p50"].as_f64().unwrap() > 4.9);
        let json = serde_json::to_value(report(&Tally::new(), None)).unwrap();
        assert!(json["server_cpu_us_per_event"].is_null());
        assert!(report(&tally, Some(0.001)).table().contains("error connect"));
    }
}
