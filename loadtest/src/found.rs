//! What a command is, what it found, and whether that counts as a success.

use serde::Serialize;

use crate::args::{Command, CompareArgs, ResultArgs, RunArgs, SweepArgs};
use crate::compare::{self, Comparison};
use crate::error::LoadError;
use crate::goal::FailIf;
use crate::interrupt;
use crate::report::Report;
use crate::run;
use crate::sweep::{self, Sweep};

/// A command that measures.
#[derive(Debug, Clone)]
pub enum Task {
    /// Once.
    Run(Box<RunArgs>),
    /// Two servers.
    Compare(Box<CompareArgs>),
    /// Several loads.
    Sweep(Box<SweepArgs>),
}

/// What it found.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// Of a run.
    Run(Box<Report>),
    /// Of a comparison.
    Compare(Box<Comparison>),
    /// Of a sweep.
    Sweep(Box<Sweep>),
}

impl Task {
    /// The command line's command, if it measures.
    pub fn of(command: Command) -> Option<Self> {
        match command {
            Command::Run(args) => Some(Self::Run(args)),
            Command::Compare(args) => Some(Self::Compare(args)),
            Command::Sweep(args) => Some(Self::Sweep(args)),
            Command::Scenario(_) | Command::Fake(_) => None,
        }
    }

    /// The flags that all have.
    fn flags(&self) -> &RunArgs {
        match self {
            Self::Run(args) => args,
            Self::Compare(args) => &args.run,
            Self::Sweep(args) => &args.run,
        }
    }

    /// Where the result goes.
    pub fn result(&self) -> &ResultArgs {
        &self.flags().result
    }

    /// Shows nothing while it runs.
    pub fn hush(&mut self) {
        match self {
            Self::Run(args) => args.result.quiet = true,
            Self::Compare(args) => args.run.result.quiet = true,
            Self::Sweep(args) => args.run.result.quiet = true,
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// [`LoadError`] if there is no result.
    pub fn carry_out(&self, title: &str) -> Result<Found, LoadError> {
        Ok(match self {
            Self::Run(args) => Found::Run(Box::new(run::measure(args, title)?)),
            Self::Compare(args) => Found::Compare(Box::new(compare::compare(args, title)?)),
            Self::Sweep(args) => Found::Sweep(Box::new(sweep::sweep(args, title)?)),
        })
    }

    /// Whether what was found counts as a success.
    ///
    /// # Errors
    /// [`LoadError`]: why it does not.
    pub fn judge(&self, found: &Found) -> Result<(), LoadError> {
        if interrupt::seen() {
            return Err(LoadError::Interrupted);
        }
        let conditions = &self.flags().judge.fail_if;
        if !conditions.is_empty() {
            let json = serde_json::to_value(found).map_err(|error| LoadError::Condition(error.to_string()))?;
            for condition in conditions {
                check(condition, &json)?;
            }
        }
        match found {
            Found::Run(report) => none_failed(&[report]),
            Found::Compare(found) => none_failed(&found.reports().collect::<Vec<_>>()),
            Found::Sweep(found) if found.best.is_none() => Err(LoadError::Condition(found.verdict())),
            Found::Sweep(_) => Ok(()),
        }
    }
}

fn check(condition: &FailIf, json: &serde_json::Value) -> Result<(), LoadError> {
    if condition.is_met(json).map_err(LoadError::Condition)? {
        return Err(LoadError::Condition(format!("--fail-if {} was met", condition.text())));
    }
    Ok(())
}

fn none_failed(reports: &[&Report]) -> Result<(), LoadError> {
    let Some(first) = reports.iter().find(|report| report.errors > 0) else { return Ok(()) };
    let errors = reports.iter().map(|report| report.errors).sum();
    let requests: u64 = reports.iter().map(|report| report.requests).sum();
    let why = format!("{}: {}", first.setup.url, first.why_failed());
    Err(LoadError::Failed { errors, total: errors + requests, why })
}

impl Found {
    /// The table for people.
    pub fn table(&self) -> String {
        match self {
            Self::Run(found) => found.table(),
            Self::Compare(found) => found.table(),
            Self::Sweep(found) => found.table(),
        }
    }
}
