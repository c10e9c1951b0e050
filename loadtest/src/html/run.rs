//! The page of one run.

use std::fmt::Write as _;

use super::plot::{Plot, Scale, Series, rounded, short};
use super::{escaped, ms, notes, table, tile};
use crate::report::Report;
use crate::timeline::Point;

/// What a run is mostly about.
pub struct Rate {
    /// What it is called.
    pub name: &'static str,
    /// Its figure in a report.
    pub of: fn(&Report) -> f64,
    /// Its figure in a piece of the window.
    at: fn(&Point) -> f64,
}

const TOKENS: Rate = Rate {
    name: "output tokens/s",
    of: |report| report.output_tokens_per_second,
    at: |point| point.output_tokens_per_second,
};
const VECTORS: Rate =
    Rate { name: "vectors/s", of: |report| report.vectors_per_second, at: |point| point.vectors_per_second };
const MEGABYTES: Rate =
    Rate { name: "MB/s", of: |report| report.bytes_in_per_second / 1e6, at: |point| point.bytes_in_per_second / 1e6 };
const REQUESTS: Rate =
    Rate { name: "requests/s", of: |report| report.requests_per_second, at: |point| point.requests_per_second };

/// What this run is mostly about.
pub fn main_rate(report: &Report) -> &'static Rate {
    match report {
        _ if report.output_tokens > 0 => &TOKENS,
        _ if report.vectors > 0 => &VECTORS,
        _ if report.setup.api == "blob" && report.bytes_in > report.bytes_out => &MEGABYTES,
        _ => &REQUESTS,
    }
}

/// Writes the run; tells what to call it.
pub fn write(out: &mut String, report: &Report) -> String {
    let setup = &report.setup;
    let model = if setup.model.is_empty() { String::new() } else { format!("{}, ", setup.model) };
    let line = format!("{model}{}, {} loop, {}, {}", setup.load(), setup.r#loop, setup.driver, setup.began);
    let _ = writeln!(out, "<p class=\"faint\">{}</p>", escaped(&line));
    notes(out, &report.warnings);
    tiles(out, report);
    let _ = writeln!(out, "<h2>Over time</h2><div class=\"plots\">");
    over_time(out, report);
    let _ = writeln!(out, "</div><h2>Latency percentiles</h2><div class=\"plots\">");
    percentiles(out, &[(report, "", 0)]);
    let _ = writeln!(out, "</div><h2>Figures</h2>");
    times(out, report);
    counts(out, report);
    format!("{} on {}", setup.api, setup.url)
}

fn tiles(out: &mut String, report: &Report) {
    let _ = writeln!(out, "<div class=\"tiles\">");
    let rate = main_rate(report);
    tile(out, &short((rate.of)(report)), rate.name);
    if rate.name != REQUESTS.name {
        tile(out, &short(report.requests_per_second), REQUESTS.name);
    }
    let times = [("first event", report.ttft_ms), ("between events", report.itl_ms), ("whole answer", report.e2e_ms)];
    for (name, times) in times {
        if let Some(times) = times {
            tile(out, &format!("{} / {}", ms(times.p50), ms(times.p99)), &format!("{name}, p50 / p99 ms"));
        }
    }
    if let Some(share) = report.good_share.filter(|_| report.setup.goal_ms.is_some()) {
        tile(out, &format!("{:.1} %", share * 100.0), "within the goal");
    }
    tile(out, &format!("{} / {}", report.requests, report.errors), "answers / errors");
    let _ = writeln!(out, "</div>");
}

fn over_time(out: &mut String, report: &Report) {
    let line = |name: &'static str, colour: usize, dashed: bool, of: &dyn Fn(&Point) -> Option<f64>| {
        let points = report.timeline.iter().filter_map(|point| Some((point.seconds, of(point)?))).collect();
        Series { name, colour, points, dashed }
    };
    let rate = main_rate(report);
    let plot = |title, y, series| Plot { title, x: "seconds", y, scale: Scale::Linear, series, bound: None };
    plot("Throughput", rate.name, vec![line("", 0, false, &|point| Some((rate.at)(point)))]).write(out);
    let mut load = vec![line("under way", 0, false, &|point| Some(point.under_way as f64))];
    if report.errors > 0 {
        load.push(line("errors", 1, false, &|point| Some(point.errors as f64)));
    }
    plot("Requests under way", "requests", load).write(out);
    let first =
        vec![line("mean", 0, false, &|point| point.ttft_mean_ms), line("longest", 1, true, &|point| point.ttft_max_ms)];
    plot("Time to the first event", "ms", first).write(out);
    let between =
        vec![line("mean", 0, false, &|point| point.itl_mean_ms), line("longest", 1, true, &|point| point.itl_max_ms)];
    plot("Time between events", "ms", between).write(out);
}

/// Draws the percentiles of runs, each with its name and colour.
pub fn percentiles(out: &mut String, runs: &[(&Report, &str, usize)]) {
    type Curve = fn(&Report) -> &Vec<(f64, f64)>;
    let kinds: [(&str, Curve); 3] = [
        ("Time to the first event", |report| &report.curves.ttft),
        ("Time between events", |report| &report.curves.itl),
        ("Time of the whole answer", |report| &report.curves.e2e),
    ];
    for (title, curve) in kinds {
        let line = |(report, name, colour): &(&Report, &str, usize)| (curve(report).clone(), name.to_string(), *colour);
        let lines: Vec<_> = runs.iter().map(line).filter(|(points, ..)| points.len() > 1).collect();
        let series = lines.iter().map(|(points, name, colour)| Series {
            name,
            colour: *colour,
            points: points.clone(),
            dashed: false,
        });
        let series = series.collect();
        Plot { title, x: "share of the times", y: "ms", scale: Scale::Nines, series, bound: None }.write(out);
    }
}

fn times(out: &mut String, report: &Report) {
    let times = [
        ("first event", report.ttft_ms),
        ("between events", report.itl_ms),
        ("longest gap of an answer", report.longest_gap_ms),
        ("whole answer", report.e2e_ms),
        ("start lag", report.start_lag_ms),
        ("this client's lag", report.client_lag_ms),
    ];
    let row = |(name, times): (&str, Option<crate::histogram::Percentiles>)| {
        let times = times?;
        let mut row = vec![name.to_owned()];
        row.extend([times.mean, times.p50, times.p90, times.p95, times.p99, times.max].map(ms));
        Some(row)
    };
    let rows: Vec<_> = times.into_iter().filter_map(row).collect();
    table(out, &["ms", "mean", "p50", "p90", "p95", "p99", "max"], &rows);
}

fn counts(out: &mut String, report: &Report) {
    let rates = [
        ("answers", report.requests, report.requests_per_second),
        ("within the goal", report.good, report.goodput_per_second),
        ("events", report.events, report.events_per_second),
        ("output tokens", report.output_tokens, report.output_tokens_per_second),
        ("prompt tokens", report.prompt_tokens, report.input_tokens_per_second),
        ("vectors", report.vectors, report.vectors_per_second),
        ("bytes in", report.bytes_in, report.bytes_in_per_second),
        ("bytes out", report.bytes_out, report.bytes_out_per_second),
    ];
    let known = rates.into_iter().filter(|(_, count, _)| *count > 0);
    let rows: Vec<_> =
        known.map(|(name, count, rate)| vec![name.to_owned(), count.to_string(), format!("{rate:.1}")]).collect();
    table(out, &["", "number", "per second"], &rows);
    let mut rows = vec![
        vec!["length".to_owned(), format!("{:.2} s", report.wall_seconds)],
        vec!["connections opened".to_owned(), report.connections.to_string()],
        vec!["answers left in the middle".to_owned(), report.left.to_string()],
        vec!["requests cut off".to_owned(), report.unfinished.to_string()],
    ];
    let errors = report.errors_by_kind.iter();
    rows.extend(errors.map(|(kind, count)| {
        let told = report.first_errors.get(kind).map_or(String::new(), |told| format!(" {}", escaped(told)));
        vec![format!("<span class=\"bad\">error {kind}</span>"), format!("{count}{told}")]
    }));
    let mut optional = |name: &str, value: Option<f64>, unit: &str| {
        rows.extend(value.map(|value| vec![name.to_owned(), format!("{} {unit}", rounded(value))]));
    };
    optional("this client's CPU", report.client_cpu_share.map(|share| share * 100.0), "% of a core");
    optional("server CPU", report.server_cpu_seconds, "s");
    optional("server CPU for an event", report.server_cpu_us_per_event, "us");
    optional("server CPU for a request", report.server_cpu_us_per_request, "us");
    optional("server memory at most", report.server_memory_bytes.map(|bytes| bytes as f64 / 1_048_576.0), "MiB");
    optional("server threads at most", report.server_threads.map(|threads| threads as f64), "");
    table(out, &["", ""], &rows);
}
