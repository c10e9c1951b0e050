//! The page of a sweep, and plots over loads.

use std::fmt::Write as _;

use super::plot::{Plot, Scale, Series, short};
use super::run::main_rate;
use super::{escaped, ms, table, tile};
use crate::report::Report;
use crate::sweep::{Level, Sweep};

/// Runs of one server under several loads.
pub struct Line<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Loads and their runs, from the lowest.
    pub runs: Vec<(f64, &'a Report)>,
}

/// Writes the sweep; tells what to call it.
pub fn write(out: &mut String, found: &Sweep) -> String {
    let line = format!("{} {}", found.model, found.began);
    let _ = writeln!(out, "<p class=\"faint\">{}</p><p>{}</p>", escaped(line.trim_start()), escaped(&found.goal()));
    let colour = if found.best.is_some() { "good" } else { "bad" };
    let _ = writeln!(out, "<p class=\"{colour}\"><b>{}</b></p><div class=\"tiles\">", escaped(&found.verdict()));
    if let Some(best) = found.best {
        tile(out, &best.to_string(), found.unit());
        tile(out, &short(found.best_requests_per_second.unwrap_or(0.0)), "requests/s there");
        if let Some(rate) = found.best_output_tokens_per_second.filter(|rate| *rate > 0.0) {
            tile(out, &short(rate), "output tokens/s there");
        }
    }
    let _ = writeln!(out, "</div><div class=\"plots\">");
    let runs: Vec<_> = found.levels.iter().map(|level| (level.load, &level.report)).collect();
    let goal = found.goal_ms;
    over_loads(out, found.unit(), &[Line { name: "", runs }], goal.and_then(|goal| goal.ttft));
    let points = found.levels.iter().map(|level| (level.load, level.share * 100.0)).collect();
    let series = vec![Series { name: "", colour: 2, points, dashed: false }];
    let bound = Some((found.goal_share * 100.0, "wanted"));
    Plot { title: "Requests within the goal", x: found.unit(), y: "%", scale: Scale::Log, series, bound }.write(out);
    let _ = writeln!(out, "</div><h2>Loads</h2>");
    let rows: Vec<_> = found.levels.iter().map(row).collect();
    let heads = [
        found.unit(),
        "kept by",
        "requests/s",
        "tokens/s",
        "first p50 ms",
        "first p99 ms",
        "between p99 ms",
        "answer p99 ms",
        "errors",
        "",
    ];
    table(out, &heads, &rows);
    format!("the highest load of {} on {}", found.api, found.url)
}

fn row(level: &Level) -> Vec<String> {
    let report = &level.report;
    let time = |time: Option<f64>| time.map_or_else(String::new, ms);
    vec![
        level.load.to_string(),
        format!("{:.1} %", level.share * 100.0),
        short(report.requests_per_second),
        short(report.output_tokens_per_second),
        time(report.ttft_ms.map(|times| times.p50)),
        time(report.ttft_ms.map(|times| times.p99)),
        time(report.itl_ms.map(|times| times.p99)),
        time(report.e2e_ms.map(|times| times.p99)),
        report.errors.to_string(),
        if level.kept { "<span class=\"good\">kept</span>" } else { "<span class=\"bad\">too much</span>" }.to_owned(),
    ]
}

/// Draws throughput and times over loads.
pub fn over_loads(out: &mut String, unit: &str, lines: &[Line], goal_ttft_ms: Option<f64>) {
    let Some(rate) = lines.iter().flat_map(|line| &line.runs).map(|(_, report)| main_rate(report)).next() else {
        return;
    };
    let series =
        |suffix: &str, dashed: bool, of: &dyn Fn(&Report) -> Option<f64>| -> Vec<(String, usize, Vec<_>, bool)> {
            let one = |(colour, line): (usize, &Line)| {
                let points = line.runs.iter().filter_map(|(load, report)| Some((*load, of(report)?))).collect();
                (format!("{} {suffix}", line.name).trim().to_owned(), colour, points, dashed)
            };
            lines.iter().enumerate().map(one).collect()
        };
    let mut draw = |title: &str, y: &str, found: Vec<(String, usize, Vec<_>, bool)>, bound: Option<f64>| {
        let series = found.iter().map(|(name, colour, points, dashed)| Series {
            name,
            colour: *colour,
            points: points.clone(),
            dashed: *dashed,
        });
        let bound = bound.map(|bound| (bound, "goal"));
        Plot { title, x: unit, y, scale: Scale::Log, series: series.collect(), bound }.write(out);
    };
    draw("Throughput", rate.name, series("", false, &|report| Some((rate.of)(report))), None);
    let mut times = |title: &str, of: fn(&Report) -> Option<crate::histogram::Percentiles>, bound| {
        let mut both = series("p50", false, &|report| Some(of(report)?.p50));
        both.extend(series("p99", true, &|report| Some(of(report)?.p99)));
        draw(title, "ms", both, bound);
    };
    times("Time to the first event", |report| report.ttft_ms, goal_ttft_ms);
    times("Time between events", |report| report.itl_ms, None);
    times("Time of the whole answer", |report| report.e2e_ms, None);
}
