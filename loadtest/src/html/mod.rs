//! Results as a page of its own: style, plots and script are in it, and it asks for nothing else.

mod compare;
mod plot;
mod run;
mod scenario;
mod sweep;

use std::fmt::Write as _;

use crate::found::Found;
use crate::scenario::Scenario;

/// How the page looks.
const STYLE: &str = include_str!("style.css");
/// What the page does where the pointer is.
const SCRIPT: &str = include_str!("page.js");

/// The page of one command's result.
pub fn page_of(found: &Found) -> String {
    let mut body = String::new();
    let title = write_found(&mut body, found);
    page(&title, &body)
}

/// The page of a scenario.
pub fn page_of_scenario(found: &Scenario) -> String {
    let mut body = String::new();
    scenario::write(&mut body, found);
    page(&found.title, &body)
}

/// Writes what a command found; tells what to call it.
fn write_found(out: &mut String, found: &Found) -> String {
    match found {
        Found::Run(found) => run::write(out, found),
        Found::Compare(found) => compare::write(out, found),
        Found::Sweep(found) => sweep::write(out, found),
    }
}

fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n{body}\n\
         <p class=\"faint\">llamero-loadtest {version}</p>\n<script>\n{SCRIPT}</script></body></html>\n"
    )
}

/// Text that is safe between tags and in attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A number with its name, in large.
fn tile(out: &mut String, number: &str, name: &str) {
    let _ = write!(out, "<div class=\"tile\"><b>{}</b><span>{}</span></div>", escaped(number), escaped(name));
}

/// Notes to know before the figures are believed.
fn notes(out: &mut String, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    let lines: Vec<_> = notes.iter().map(|note| format!("<p>{}</p>", escaped(note))).collect();
    let _ = writeln!(out, "<div class=\"notes\">{}</div>", lines.concat());
}

/// A table; cells of the body are HTML.
fn table(out: &mut String, heads: &[&str], rows: &[Vec<String>]) {
    let heads: Vec<_> = heads.iter().map(|head| format!("<th>{}</th>", escaped(head))).collect();
    let _ = writeln!(out, "<div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>", heads.concat());
    for row in rows {
        let cell = |cell: &String| if cell.starts_with("<td") { cell.clone() } else { format!("<td>{cell}</td>") };
        let cells: Vec<_> = row.iter().map(cell).collect();
        let _ = writeln!(out, "<tr>{}</tr>", cells.concat());
    }
    let _ = writeln!(out, "</tbody></table></div>");
}

/// Milliseconds as text.
fn ms(time: f64) -> String {
    match time {
        time if time < 10.0 => format!("{time:.2}"),
        time if time < 100.0 => format!("{time:.1}"),
        time => format!("{time:.0}"),
    }
}
