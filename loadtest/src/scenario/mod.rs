//! Several measurements one after another, as a file describes them.

mod file;

use std::fs;

use serde::Serialize;
use toml::{Table, Value};

use crate::args::ScenarioArgs;
use crate::clock;
use crate::error::LoadError;
use crate::found::Found;
use crate::interrupt;

pub use file::{Plan, read};

/// What a scenario found.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What was measured on what, in the user's words (`--note`).
    pub note: Option<String>,
    /// When it began, in UTC (RFC 3339).
    pub began: String,
    /// Steps that failed.
    pub failed: u64,
    /// Its steps, in order.
    pub steps: Vec<StepFound>,
}

/// What one step found.
#[derive(Debug, Clone, Serialize)]
pub struct StepFound {
    /// What it is called.
    pub name: String,
    /// Which of several it is: `concurrency 16`.
    pub member: String,
    /// `run`, `compare` or `sweep`.
    pub command: String,
    /// Why it failed, if it did.
    pub problem: Option<String>,
    /// What it found, as the command alone would write it; null if it found nothing.
    pub result: Option<Found>,
}

/// Reads the file and carries out its steps, all of them even if one fails. `tell` hears of each when it is done.
///
/// # Errors
/// [`LoadError::Scenario`] if the file cannot be read or understood; failed steps are part of the result.
pub fn carry_out(args: &ScenarioArgs, mut tell: impl FnMut(&StepFound)) -> Result<Scenario, LoadError> {
    let fail = |why: String| LoadError::Scenario { file: args.file.display().to_string(), why };
    let length = fs::metadata(&args.file).map_err(|error| fail(error.to_string()))?.len();
    if length > file::FILE_BYTES_MAX {
        return Err(fail(format!("it is longer than {} bytes", file::FILE_BYTES_MAX)));
    }
    let text = fs::read_to_string(&args.file).map_err(|error| fail(error.to_string()))?;
    let Plan { title, steps } = read(&text, &over(args)).map_err(fail)?;
    let mut found = Scenario { title, note: args.note.clone(), began: clock::now(), failed: 0, steps: Vec::new() };
    let count = steps.len();
    for (number, mut step) in steps.into_iter().enumerate() {
        if args.result.quiet {
            step.task.hush();
        }
        let result = step.task.carry_out(&format!("{} of {count}, {}: ", number + 1, step.name));
        let judged = result.as_ref().ok().map_or(Ok(()), |result| step.task.judge(result));
        let (result, problem) = match result {
            Ok(result) => (Some(result), judged.err().map(|error| error.to_string())),
            Err(error) => (None, Some(error.to_string())),
        };
        found.failed += u64::from(problem.is_some());
        let step = StepFound { name: step.name, member: step.member, command: step.command, problem, result };
        tell(&step);
        found.steps.push(step);
        if interrupt::seen() {
            break;
        }
    }
    Ok(found)
}

/// The flags that win over the file.
fn over(args: &ScenarioArgs) -> Table {
    let number = |pid: Option<u32>| pid.map(|pid| Value::from(i64::from(pid)));
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let flags = [
        ("url", text(&args.url)),
        ("model", text(&args.model)),
        ("vs", text(&args.vs)),
        ("vs-model", text(&args.vs_model)),
        ("vs-name", text(&args.vs_name)),
        ("name", text(&args.name)),
        ("pid", number(args.pid)),
        ("vs-pid", number(args.vs_pid)),
        ("duration", text(&args.duration)),
    ];
    flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

impl Scenario {
    /// Whether all steps count as a success.
    ///
    /// # Errors
    /// [`LoadError::Steps`].
    pub fn judge(&self) -> Result<(), LoadError> {
        if interrupt::seen() {
            return Err(LoadError::Interrupted);
        }
        if self.failed == 0 { Ok(()) } else { Err(LoadError::Steps { failed: self.failed, total: self.steps.len() }) }
    }
}

impl StepFound {
    /// Its name, and which of several it is.
    pub fn title(&self) -> String {
        if self.member.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.member) }
    }

    /// The table for people, under the step's name.
    pub fn table(&self) -> String {
        let table = self.result.as_ref().map(Found::table).unwrap_or_default();
        let problem = self.problem.as_ref().map_or(String::new(), |problem| format!("failed: {problem}\n"));
        format!("== {}\n{table}{problem}\n", self.title())
    }
}
