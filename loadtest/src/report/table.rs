//! A report as a table for people.

use std::fmt::Write as _;

use super::{Report, Setup};

impl Setup {
    /// The load in words: `16 clients`, `20 requests/s`.
    pub fn load(&self) -> String {
        match (self.concurrency, self.rate) {
            (Some(1), _) => "1 client".to_owned(),
            (Some(clients), _) => format!("{clients} clients"),
            (_, rate) => format!("{} requests/s", rate.unwrap_or(0.0)),
        }
    }
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let Setup { api, url, driver, .. } = &self.setup;
        let word = if self.setup.rate.is_some() { "at" } else { "with" };
        writeln!(out, "{api} {url} {word} {} ({driver})", self.setup.load())?;
        let mut row = |name: &str, count: u64, rate: f64, rest: &str| {
            writeln!(out, "{name:<15} {count:>13} {rate:>14.1} /s{rest}")
        };
        row("requests", self.requests, self.requests_per_second, &format!(" in {:.2} s", self.wall_seconds))?;
        if let Some(share) = self.good_share.filter(|_| self.setup.goal_ms.is_some()) {
            row("within the goal", self.good, self.goodput_per_second, &format!(" ({:.1} %)", share * 100.0))?;
        }
        let optional = [
            ("events", self.events, self.events_per_second),
            ("output tokens", self.output_tokens, self.output_tokens_per_second),
            ("prompt tokens", self.prompt_tokens, self.input_tokens_per_second),
            ("vectors", self.vectors, self.vectors_per_second),
        ];
        for (name, count, rate) in optional.into_iter().filter(|(_, count, _)| *count > 0) {
            row(name, count, rate, "")?;
        }
        row("bytes in", self.bytes_in, self.bytes_in_per_second, "")?;
        row("bytes out", self.bytes_out, self.bytes_out_per_second, "")?;
        self.write_times(out)?;
        self.write_usage(out)?;
        for (kind, count) in &self.errors_by_kind {
            let told = self.first_errors.get(kind).map_or("", String::as_str);
            writeln!(out, "error {kind:<10} {count:>12}  {told}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "note: {warning}")?;
        }
        Ok(())
    }

    fn write_times(&self, out: &mut String) -> std::fmt::Result {
        let times = [
            ("first event", self.ttft_ms),
            ("between events", self.itl_ms),
            ("longest gap", self.longest_gap_ms),
            ("whole answer", self.e2e_ms),
            ("start lag", self.start_lag_ms),
        ];
        writeln!(out, "{:<15} {:>13} {:>10} {:>10} {:>10} {:>10}", "ms", "p50", "p90", "p95", "p99", "max")?;
        for (name, times) in times {
            if let Some(t) = times {
                let rest = format!("{:>10.2} {:>10.2} {:>10.2} {:>10.2}", t.p90, t.p95, t.p99, t.max);
                writeln!(out, "{name:<15} {:>13.2} {rest}", t.p50)?;
            }
        }
        Ok(())
    }

    fn write_usage(&self, out: &mut String) -> std::fmt::Result {
        if let Some(seconds) = self.client_cpu_seconds {
            let share = 100.0 * self.client_cpu_share.unwrap_or(0.0);
            writeln!(out, "client CPU      {seconds:>13.3} s {share:>12.0} % of a core")?;
        }
        if let Some(seconds) = self.server_cpu_seconds {
            let per_request = self.server_cpu_us_per_request.unwrap_or(0.0);
            let per_event = self.server_cpu_us_per_event.unwrap_or(0.0);
            let each = format!("{per_request:.2} us a request, {per_event:.3} us an event");
            writeln!(out, "server CPU      {seconds:>13.3} s  {each}")?;
        }
        if let (Some(memory), Some(threads)) = (self.server_memory_bytes, self.server_threads) {
            let mib = memory as f64 / 1_048_576.0;
            writeln!(out, "server memory   {mib:>13.1} MiB at most, {threads} threads")?;
        }
        Ok(())
    }
}
