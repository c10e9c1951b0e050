//! The highest load under which a server keeps an objective.

mod search;

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::args::{By, RunArgs, SweepArgs};
use crate::error::LoadError;
use crate::goal::GoalMs;
use crate::interrupt;
use crate::report::Report;
use crate::run;

use search::Search;

/// Highest load unless a flag says: clients, requests a second.
const TO: (f64, f64) = (1024.0, 10_000.0);
/// The objective without a flag: the first token, and the mean time between tokens.
const GOAL_OF_TOKENS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));
/// The objective without a flag where no tokens are made: the whole answer.
const GOAL_OF_ANSWERS: Duration = Duration::from_secs(1);

/// One load.
#[derive(Debug, Clone, Serialize)]
pub struct Level {
    /// Clients, or requests a second.
    pub load: f64,
    /// Enough requests kept the objective.
    pub kept: bool,
    /// The share that did. Failed and unfinished requests did not.
    pub share: f64,
    /// Its run.
    pub report: Report,
}

/// What a sweep found.
#[derive(Debug, Clone, Serialize)]
pub struct Sweep {
    /// When it began, in UTC (RFC 3339).
    pub began: String,
    /// The server.
    pub url: String,
    /// What it was asked.
    pub api: String,
    /// Its model.
    pub model: String,
    /// `concurrency` or `rate`.
    pub by: &'static str,
    /// The objective, in milliseconds.
    pub goal_ms: Option<GoalMs>,
    /// Share of the requests that had to keep it.
    pub goal_share: f64,
    /// The highest load that kept it.
    pub best: Option<f64>,
    /// Answers a second under that load.
    pub best_requests_per_second: Option<f64>,
    /// Tokens of answers a second under that load.
    pub best_output_tokens_per_second: Option<f64>,
    /// All loads that were tried, from the lowest.
    pub levels: Vec<Level>,
}

/// Seeks the highest load.
///
/// # Errors
/// [`LoadError`] if there is no result; failed requests are part of one.
pub fn sweep(args: &SweepArgs, title: &str) -> Result<Sweep, LoadError> {
    let mut run = args.run.clone();
    set_goal(&mut run);
    let by = args.by();
    let mut search = search(args)?;
    run::wake(&run)?;
    let mut levels: Vec<Level> = Vec::new();
    while let Some(load) = search.next() {
        match by {
            By::Concurrency => run.concurrency = load as u32,
            By::Rate => run.rate = Some(load),
        }
        // Each load has prompts of its own: a cache must not make the later ones look better.
        run.seed = args.run.seed.wrapping_add(levels.len() as u64);
        let mut report = run::measure(&run, title)?;
        if interrupt::seen() {
            break;
        }
        // How each load went over time is more than anyone reads.
        report.timeline.clear();
        let share = share(&report);
        let kept = share >= args.goal_share;
        search.tell(load, kept);
        levels.push(Level { load, kept, share, report });
    }
    if levels.is_empty() {
        return Err(LoadError::Interrupted);
    }
    levels.sort_by(|a, b| a.load.total_cmp(&b.load));
    Ok(Sweep::new(args, by, search.best(), levels))
}

fn search(args: &SweepArgs) -> Result<Search, LoadError> {
    let whole = args.by() == By::Concurrency;
    if args.run.ramp_to.is_some() {
        return Err(LoadError::Flags("--ramp-to changes the load, and so does a sweep".to_owned()));
    }
    if whole && args.levels.iter().chain(&args.to).any(|level| level.fract() != 0.0 || *level > f64::from(u16::MAX)) {
        return Err(LoadError::Flags("loads in clients are whole numbers; with --rate they are rates".to_owned()));
    }
    if !args.levels.is_empty() {
        return Ok(Search::given(args.levels.clone()));
    }
    let (from, to) = args.run.rate.map_or((f64::from(args.run.concurrency), TO.0), |rate| (rate, TO.1));
    Ok(Search::new(from, args.to.unwrap_or(to), whole, args.tries))
}

/// Sets an objective if no flag does.
fn set_goal(run: &mut RunArgs) {
    if run.judge.goal().told().is_some() {
        return;
    }
    if run.api.writes_tokens() {
        (run.judge.goal_ttft, run.judge.goal_itl) = (Some(GOAL_OF_TOKENS.0), Some(GOAL_OF_TOKENS.1));
    } else {
        run.judge.goal_e2e = Some(GOAL_OF_ANSWERS);
    }
}

/// The share of requests that kept the objective.
fn share(report: &Report) -> f64 {
    let asked = report.judged + report.errors + report.unfinished;
    if asked == 0 { 0.0 } else { report.good as f64 / asked as f64 }
}

impl Sweep {
    fn new(args: &SweepArgs, by: By, best: Option<f64>, levels: Vec<Level>) -> Self {
        let setup = levels.first().map(|level| level.report.setup.clone());
        let at_best = levels.iter().find(|level| Some(level.load) == best).map(|level| &level.report);
        Self {
            began: setup.as_ref().map(|setup| setup.began.clone()).unwrap_or_default(),
            url: args.run.url.clone(),
            api: args.run.api.name(),
            model: setup.as_ref().map(|setup| setup.model.clone()).unwrap_or_default(),
            by: match by {
                By::Concurrency => "concurrency",
                By::Rate => "rate",
            },
            goal_ms: setup.and_then(|setup| setup.goal_ms),
            goal_share: args.goal_share,
            best,
            best_requests_per_second: at_best.map(|report| report.requests_per_second),
            best_output_tokens_per_second: at_best.map(|report| report.output_tokens_per_second),
            levels,
        }
    }

    /// What a load is called.
    pub fn unit(&self) -> &'static str {
        if self.by == "rate" { "requests/s" } else { "clients" }
    }

    /// The objective in words.
    pub fn goal(&self) -> String {
        let Some(goal) = self.goal_ms else { return "no objective".to_owned() };
        let bounds = [
            ("first event", goal.ttft),
            ("mean between events", goal.itl),
            ("longest gap", goal.gap),
            ("answer", goal.e2e),
        ];
        let told = bounds.iter().filter_map(|(name, ms)| ms.map(|ms| format!("{name} within {ms} ms")));
        format!("{} for {} % of the requests", told.collect::<Vec<_>>().join(", "), self.goal_share * 100.0)
    }

    /// The outcome in a sentence.
    pub fn verdict(&self) -> String {
        match self.best {
            Some(1.0) if self.by == "concurrency" => "the objective is kept for 1 client only".to_owned(),
            Some(best) => format!("the objective is kept up to {best} {}", self.unit()),
            None => "no load that was tried keeps the objective".to_owned(),
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} {} {}: {}", self.api, self.url, self.model, self.goal())?;
        writeln!(
            out,
            "{:>10} {:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>7}",
            self.unit(),
            "kept by",
            "requests/s",
            "tokens/s",
            "first p50",
            "first p99",
            "answer p99",
            "errors"
        )?;
        for Level { load, kept, share, report } in &self.levels {
            let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"));
            let (first, answer) = (report.ttft_ms, report.e2e_ms);
            writeln!(
                out,
                "{load:>10} {:>7.1} % {:>11.2} {:>11.1} {:>11} {:>11} {:>11} {:>7}{}",
                share * 100.0,
                report.requests_per_second,
                report.output_tokens_per_second,
                ms(first.map(|times| times.p50)),
                ms(first.map(|times| times.p99)),
                ms(answer.map(|times| times.p99)),
                report.errors,
                if *kept { "" } else { "  too much" }
            )?;
        }
        writeln!(out, "{}", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn args(flags: &str) -> SweepArgs {
        let words = ["llamero-loadtest", "sweep"].into_iter().chain(flags.split_whitespace());
        let Command::Sweep(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
        *args
    }

    #[test]
    fn failed_and_unfinished_requests_miss_the_objective() {
        for (good, judged, errors, unfinished, want) in
            [(9, 10, 0, 0, 0.9), (9, 9, 9, 0, 0.5), (5, 5, 3, 2, 0.5), (0, 5, 0, 0, 0.0), (0, 0, 0, 0, 0.0)]
        {
            let got = share(&Report { errors, unfinished, judged, good, ..Report::empty() });
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn there_is_always_an_objective() {
        for (flags, tokens, want) in [("", true, true), ("--api http", false, true), ("--goal-gap 1s", false, false)] {
            let mut run = args(flags).run;
            set_goal(&mut run);
            assert_eq!(
                (run.judge.goal_ttft.is_some(), run.judge.goal_e2e.is_some()),
                (tokens, want && !tokens),
                "{flags}"
            );
        }
    }

    #[test]
    fn loads_are_checked() {
        for bad in ["--levels 1.5", "--levels 100000", "--rate 1 --ramp-to 5", "--to 2.5"] {
            assert!(matches!(search(&args(bad)), Err(LoadError::Flags(_))), "{bad}");
        }
        assert_eq!(search(&args("--rate 1.5")).unwrap().next(), Some(1.5));
        assert_eq!(search(&args("--rate 1 --levels 2.5,3")).unwrap().next(), Some(2.5));
    }

    #[test]
    fn the_table_tells_the_limit() {
        let level = |load: f64, kept| Level { load, kept, share: 0.5, report: Report::empty() };
        let found =
            Sweep::new(&args("--goal-ttft 1s"), By::Concurrency, Some(4.0), vec![level(4.0, true), level(8.0, false)]);
        let table = found.table();
        assert!(
            table.contains("up to 4 clients") && table.contains("8    50.0 %") && table.contains("too much"),
            "{table}"
        );
        assert_eq!(found.best_requests_per_second, Some(0.0));
        let none = Sweep::new(&args(""), By::Rate, None, Vec::new());
        assert!(none.verdict().starts_with("no load"));
    }
}
