//! The page of a scenario: what its steps found in short, plots over the loads of steps that belong together, and each
//! step in full behind a click.

use std::fmt::Write as _;

use super::plot::short;
use super::run::main_rate;
use super::sweep::{Line, over_loads};
use super::{escaped, ms, table, write_found};
use crate::found::Found;
use crate::report::Report;
use crate::scenario::{Scenario, StepFound};

/// Writes the scenario.
pub fn write(out: &mut String, found: &Scenario) {
    if let Some(note) = &found.note {
        let _ = writeln!(out, "<p>{}</p>", escaped(note));
    }
    let _ = writeln!(out, "<p class=\"faint\">{} steps, {}</p>", found.steps.len(), escaped(&found.began));
    let rows: Vec<_> = found.steps.iter().map(row).collect();
    table(out, &["step", "command", "throughput", "first event p50 ms", "whole answer p50 ms", "outcome"], &rows);
    for group in found.steps.chunk_by(|one, next| one.name == next.name && one.command == next.command) {
        loads(out, group);
    }
    let _ = writeln!(out, "<h2>Steps</h2>");
    for step in &found.steps {
        let Some(result) = &step.result else { continue };
        let _ = writeln!(out, "<details><summary>{}</summary>", escaped(&step.title()));
        let mut body = String::new();
        let title = write_found(&mut body, result);
        let _ = writeln!(out, "<h2>{}</h2>{body}</details>", escaped(&title));
    }
}

fn row(step: &StepFound) -> Vec<String> {
    let times = |report: &Report| {
        let p50 = |times: Option<crate::histogram::Percentiles>| times.map_or_else(String::new, |times| ms(times.p50));
        (p50(report.ttft_ms), p50(report.e2e_ms))
    };
    let rate = |report: &Report| format!("{} {}", short((main_rate(report).of)(report)), main_rate(report).name);
    let (throughput, (first, answer)) = match &step.result {
        Some(Found::Run(report)) => (rate(report), times(report)),
        Some(Found::Compare(found)) => {
            let ratio =
                |key: &str| found.figures.get(key).map_or_else(String::new, |it| format!("A/B {:.3}", it.ratio.median));
            let throughput = ["output_tokens_per_second", "vectors_per_second", "requests_per_second"];
            let known = throughput.iter().map(|key| ratio(key)).find(|text| !text.is_empty());
            (known.unwrap_or_default(), (ratio("ttft_p50_ms"), ratio("e2e_p50_ms")))
        }
        Some(Found::Sweep(found)) => (found.verdict(), Default::default()),
        None => Default::default(),
    };
    let outcome = step.problem.as_ref().map_or_else(
        || "<span class=\"good\">good</span>".to_owned(),
        |problem| format!("<span class=\"bad\">{}</span>", escaped(problem)),
    );
    vec![escaped(&step.title()), escaped(&step.command), escaped(&throughput), first, answer, outcome]
}

/// Plots over the loads of steps that a list made, if there are several loads.
fn loads(out: &mut String, steps: &[StepFound]) {
    let mut lines: Vec<Line> = Vec::new();
    let by_rate = steps.iter().any(|step| step.member.starts_with("rate"));
    for (name, report) in steps.iter().filter_map(|step| step.result.as_ref()).flat_map(runs) {
        let load = if by_rate { report.setup.rate } else { report.setup.concurrency.map(f64::from) };
        let Some(load) = load else { continue };
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.runs.push((load, report)),
            None => lines.push(Line { name, runs: vec![(load, report)] }),
        }
    }
    for line in &mut lines {
        line.runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        line.runs.dedup_by_key(|run| run.0);
    }
    if lines.iter().all(|line| line.runs.len() < 2) {
        return;
    }
    let name = steps.first().map(|step| escaped(&step.name)).unwrap_or_default();
    let _ = writeln!(out, "<h2>{name}, over loads</h2><div class=\"plots\">");
    over_loads(out, if by_rate { "requests/s" } else { "clients" }, &lines, None);
    let _ = writeln!(out, "</div>");
}

/// The runs that stand for a step, each with what it is called; of a comparison the one in the middle.
fn runs(found: &Found) -> Vec<(&str, &Report)> {
    match found {
        Found::Run(report) => vec![("", report)],
        Found::Compare(found) => {
            let sides = [&found.a, &found.b];
            sides.iter().filter_map(|side| Some((side.name.as_str(), middle(&side.reports)?))).collect()
        }
        Found::Sweep(_) => Vec::new(),
    }
}

/// The report whose throughput is the middle one.
fn middle(reports: &[Report]) -> Option<&Report> {
    let rate = main_rate(reports.first()?);
    let mut sorted: Vec<_> = reports.iter().collect();
    sorted.sort_by(|a, b| (rate.of)(a).total_cmp(&(rate.of)(b)));
    sorted.get(sorted.len() / 2).copied()
}
