//! The page of a comparison.

use std::fmt::Write as _;

use super::plot::{Plot, Scale, Series, rounded, short};
use super::run::{main_rate, percentiles};
use super::{escaped, notes, table, tile};
use crate::compare::{Comparison, Figure, KINDS};
use crate::report::Report;

/// Size of a drawn ratio, and the doublings that it shows to each side of 1.
const RATIO: (f64, f64) = (180.0, 22.0);
const DOUBLINGS: f64 = 2.0;

/// Writes the comparison; tells what to call it.
pub fn write(out: &mut String, found: &Comparison) -> String {
    let sides = [("A", &found.a, 0), ("B", &found.b, 1)];
    for (letter, side, colour) in sides {
        let line = format!("{letter}: {}, {} on {} {}", side.name, side.api, side.url, side.model);
        let _ = writeln!(out, "<p class=\"key side c{colour}\">{}</p>", escaped(line.trim_end()));
    }
    let line = format!("{}, {} rounds on each, {}", found.load(), found.rounds, found.began);
    let _ = writeln!(out, "<p class=\"faint\">{}</p>", escaped(&line));
    notes(out, &found.warnings);
    let _ = writeln!(out, "<div class=\"tiles\">");
    for kind in KINDS {
        let main =
            ["output_tokens_per_second", "vectors_per_second", "requests_per_second", "ttft_p50_ms", "itl_p50_ms"];
        if let Some(figure) = found.figures.get(kind.key).filter(|_| main.contains(&kind.key)) {
            tile(out, &format!("{:.3}", figure.ratio.median), &format!("A/B, {}", kind.label));
        }
    }
    tile(out, &format!("{} / {}", found.requests, found.errors), "answers / errors");
    let _ = writeln!(out, "</div>");
    ratios(out, found);
    let _ = writeln!(out, "<h2>Rounds</h2><div class=\"plots\">");
    rounds(out, found);
    let _ = writeln!(out, "</div><h2>Latency percentiles, each round</h2><div class=\"plots\">");
    let lines: Vec<_> = sides
        .iter()
        .flat_map(|(_, side, colour)| side.reports.iter().map(|report| (report, side.name.as_str(), *colour)))
        .collect();
    percentiles(out, &lines);
    let _ = writeln!(out, "</div>");
    format!("{} beside {}", found.a.name, found.b.name)
}

/// The table of figures, each ratio drawn with its spread.
fn ratios(out: &mut String, found: &Comparison) {
    let rows: Vec<_> = KINDS
        .iter()
        .filter_map(|kind| {
            let figure = found.figures.get(kind.key)?;
            let ratio = figure.ratio;
            Some(vec![
                kind.label.to_owned(),
                short(figure.a.median),
                short(figure.b.median),
                format!("{:.3}", ratio.median),
                format!("{:.3} to {:.3}", ratio.low, ratio.high),
                drawn(figure),
                figure.ahead().map_or(String::new(), |side| format!("{side} is better in each round")),
            ])
        })
        .collect();
    table(out, &["the middle round", "A", "B", "A/B", "spread", "1/4 to 4", ""], &rows);
}

/// A ratio with its spread, around a line at 1.
fn drawn(figure: &Figure) -> String {
    let (width, height) = RATIO;
    let place = |ratio: f64| {
        let doublings = ratio.max(1e-9).log2().clamp(-DOUBLINGS, DOUBLINGS);
        width / 2.0 + doublings / DOUBLINGS * (width / 2.0 - 6.0)
    };
    let (low, middle, high) = (place(figure.ratio.low), place(figure.ratio.median), place(figure.ratio.high));
    let (y, colour) = (height / 2.0, figure.ahead().map_or(3, |side| usize::from(side == "B")));
    format!(
        "<td class=\"ratio\"><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"ratio {}\">\
         <path class=\"grid\" d=\"M{} 0v{height}\"/><polyline class=\"c{colour}\" points=\"{low:.1},{y} {high:.1},{y}\"/>\
         <circle class=\"c{colour}\" cx=\"{middle:.1}\" cy=\"{y}\" r=\"4\"/></svg></td>",
        rounded(figure.ratio.median),
        width / 2.0
    )
}

/// The main figures of each round.
fn rounds(out: &mut String, found: &Comparison) {
    let Some(rate) = found.a.reports.first().map(main_rate) else { return };
    let mut plot = |title: &str, y: &str, of: &dyn Fn(&Report) -> Option<f64>| {
        let sides = [(&found.a, 0), (&found.b, 1)];
        let series = sides.map(|(side, colour)| {
            let points =
                side.reports.iter().zip(1..).filter_map(|(report, round)| Some((f64::from(round), of(report)?)));
            Series { name: &side.name, colour, points: points.collect(), dashed: false }
        });
        Plot { title, x: "round", y, scale: Scale::Linear, series: series.into(), bound: None }.write(out);
    };
    plot("Throughput", rate.name, &|report| Some((rate.of)(report)));
    plot("Time to the first event, p50", "ms", &|report| Some(report.ttft_ms?.p50));
    plot("Time of the whole answer, p50", "ms", &|report| Some(report.e2e_ms?.p50));
}
