//! Two servers under the same load, round by round. What changes on the machine meanwhile meets both, and the spread
//! over the rounds says how much of a difference is chance.

mod figures;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::args::{CompareArgs, RunArgs};
use crate::error::LoadError;
use crate::interrupt;
use crate::report::{Report, Setup};
use crate::run;

pub use figures::{Figure, KINDS};

/// One of the two servers.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// What it is called: the flag's name for it, or its URL.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it was asked.
    pub api: String,
    /// Its model.
    pub model: String,
    /// Its runs, in order.
    pub reports: Vec<Report>,
}

/// What a comparison found.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// When it began, in UTC (RFC 3339).
    pub began: String,
    /// The load: `closed` or `open`.
    pub r#loop: &'static str,
    /// Clients of a closed loop.
    pub concurrency: Option<u32>,
    /// Requests a second of an open loop.
    pub rate: Option<f64>,
    /// Runs on each server.
    pub rounds: u32,
    /// Requests with a whole answer, on both.
    pub requests: u64,
    /// Requests without, on both.
    pub errors: u64,
    /// Each figure of both servers, and the ratio of the first over the second.
    pub figures: BTreeMap<&'static str, Figure>,
    /// The first server.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// What to know before these figures are believed.
    pub warnings: Vec<String>,
}

/// Compares two servers.
///
/// # Errors
/// [`LoadError`] if there is no result; failed requests are part of one.
pub fn compare(args: &CompareArgs, title: &str) -> Result<Comparison, LoadError> {
    let sides = [args.run.clone(), second(args)];
    for side in &sides {
        run::wake(side)?;
    }
    let mut reports = [Vec::new(), Vec::new()];
    'rounds: for round in 0..args.rounds {
        // They take turns in going first.
        let first = round as usize % 2;
        for number in [first, 1 - first] {
            let (Some(side), Some(reports)) = (sides.get(number), reports.get_mut(number)) else { continue };
            // Prompts of a round are the same for both, and new to both.
            let seed = side.seed.wrapping_add(u64::from(round));
            let title = format!("{title}round {} of {}: ", round + 1, args.rounds);
            let mut report = run::measure(&RunArgs { seed, ..side.clone() }, &title)?;
            if interrupt::seen() {
                break 'rounds;
            }
            // How each round went over time is more than anyone reads.
            report.timeline.clear();
            reports.push(report);
        }
    }
    let [mut a, mut b] = reports;
    // Rounds that both have had.
    let whole = a.len().min(b.len());
    a.truncate(whole);
    b.truncate(whole);
    if whole == 0 {
        return Err(LoadError::Interrupted);
    }
    Ok(Comparison::new(args, a, b))
}

/// The flags for the second server.
fn second(args: &CompareArgs) -> RunArgs {
    let mut run = args.run.clone();
    run.url.clone_from(&args.vs);
    run.model = args.vs_model.clone().or(run.model);
    run.api = args.vs_api.unwrap_or(run.api);
    run.extra = args.vs_extra.clone().or(run.extra);
    run.pid = args.vs_pid;
    run
}

impl Comparison {
    fn new(args: &CompareArgs, a: Vec<Report>, b: Vec<Report>) -> Self {
        let all = || a.iter().chain(&b);
        let mut warnings = Vec::new();
        for warning in all().flat_map(|report| &report.warnings) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let setup = a.first().map(|report| &report.setup);
        let began = setup.map(|setup| setup.began.clone()).unwrap_or_default();
        let (concurrency, rate) = setup.map_or((None, None), |setup| (setup.concurrency, setup.rate));
        Self {
            began,
            r#loop: setup.map_or("closed", |setup| setup.r#loop),
            concurrency,
            rate,
            rounds: a.len() as u32,
            requests: all().map(|report| report.requests).sum(),
            errors: all().map(|report| report.errors).sum(),
            figures: figures::figures(&a, &b),
            warnings,
            a: Side::new(args.name.as_ref(), a),
            b: Side::new(args.vs_name.as_ref(), b),
        }
    }

    /// The runs on both servers.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.a.reports.iter().chain(&self.b.reports)
    }

    /// The load in words.
    pub fn load(&self) -> String {
        self.a.reports.first().map(|report| report.setup.load()).unwrap_or_default()
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        for (letter, side) in [("A", &self.a), ("B", &self.b)] {
            let model = if side.model.is_empty() { String::new() } else { format!(" {}", side.model) };
            let name = if side.name == side.url { String::new() } else { format!(" ({})", side.name) };
            writeln!(out, "{letter}: {} {}{model}{name}", side.api, side.url)?;
        }
        writeln!(
            out,
            "{}, {} rounds on each; the middle round, and the ratio from its lowest to its highest",
            self.load(),
            self.rounds
        )?;
        writeln!(out, "{:<22} {:>12} {:>12} {:>8}  spread", "", "A", "B", "A/B")?;
        for kind in KINDS {
            let Some(figure) = self.figures.get(kind.key) else { continue };
            let (a, b, ratio) = (figure.a.median, figure.b.median, figure.ratio);
            let spread = format!("{:.3} to {:.3}", ratio.low, ratio.high);
            let ahead = figure.ahead().map_or(String::new(), |side| format!("  {side} is better in each round"));
            writeln!(out, "{:<22} {a:>12.2} {b:>12.2} {:>8.3}  {spread}{ahead}", kind.label, ratio.median)?;
        }
        if self.errors > 0 {
            writeln!(out, "errors: {}", self.errors)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(out, "note: {warning}"))
    }
}

impl Figure {
    /// The letter of the server that is better in each round, if one is.
    pub fn ahead(&self) -> Option<&'static str> {
        let a_is_better = (self.ratio.median > 1.0) == (self.better == "higher");
        self.agree.then_some(if a_is_better { "A" } else { "B" })
    }
}

impl Side {
    fn new(name: Option<&String>, reports: Vec<Report>) -> Self {
        let (url, api, model) = reports.first().map_or_else(Default::default, |report| {
            let Setup { url, api, model, .. } = report.setup.clone();
            (url, api, model)
        });
        Self { name: name.cloned().unwrap_or_else(|| url.clone()), url, api, model, reports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn args(flags: &str) -> CompareArgs {
        let words = ["llamero-loadtest", "compare"].into_iter().chain(flags.split_whitespace());
        let Command::Compare(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
        *args
    }

    #[test]
    fn the_second_server_has_flags_of_its_own() {
        let run = second(&args("--url http://a:1 --model m --pid 5 --concurrency 3 --vs http://b:2"));
        assert_eq!(
            (run.url.as_str(), run.model.as_deref(), run.pid, run.concurrency),
            ("http://b:2", Some("m"), None, 3)
        );
        let run = second(&args("--vs http://b:2 --vs-model n --vs-api openai-chat --vs-pid 9 --vs-extra {}"));
        assert_eq!((run.api.name().as_str(), run.model.as_deref(), run.pid), ("openai-chat", Some("n"), Some(9)));
        assert_eq!(run.extra.as_deref(), Some("{}"));
    }

    #[test]
    fn the_table_says_who_is_ahead() {
        let report = |tokens| Report { output_tokens_per_second: tokens, requests: 2, errors: 1, ..Report::empty() };
        let slow = |tokens| Report { warnings: vec!["twice".to_owned()], ..report(tokens) };
        let flags = args("--vs http://b:2 --name ours --rounds 2");
        let found = Comparison::new(&flags, vec![slow(30.0), slow(20.0)], vec![report(10.0), report(10.0)]);
        let table = found.table();
        for part in ["A: generate http://h:1 m (ours)", "B: generate http://h:1 m\n", "output tokens/s", "errors: 4"] {
            assert!(table.contains(part), "{part}: {table}");
        }
        assert!(table.contains("2.500  2.000 to 3.000  A is better in each round"), "{table}");
        assert_eq!((found.requests, found.errors, found.warnings.len()), (8, 4, 1));
    }
}
