//! A load harness for Ollama- and OpenAI-shaped servers, on one core.
//!
//! A closed loop says what N patient users see: it asks less while a server stalls. An open loop asks when requests
//! are due, and times count from then, so that a stall is seen in full. The pure parts (schedules, plans, answers,
//! histograms, reports, searches, pages) know no runtime; `client` and `fake` run on monoio.

mod answer;
mod args;
mod client;
mod clock;
mod compare;
mod error;
mod fake;
mod found;
mod goal;
mod histogram;
mod html;
mod http;
mod kinds;
mod live;
mod manners;
mod models;
mod plan;
mod process;
mod prompts;
mod report;
mod run;
mod scenario;
mod schedule;
mod setup;
mod sweep;
mod tally;
mod timeline;
mod timers;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::args::{Cli, Command, ResultArgs, ScenarioArgs};
use crate::error::LoadError;
use crate::found::Task;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    process::open_many_files();
    let result = match command {
        Command::Fake(args) => fake::serve(&args),
        Command::Scenario(args) => scenario(&args),
        command => Task::of(command).map_or(Ok(()), |task| measure(&task)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("llamero-loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(task: &Task) -> Result<(), LoadError> {
    let found = task.carry_out("")?;
    print(&found.table())?;
    write(task.result(), &found, || html::page_of(&found))?;
    task.judge(&found)
}

fn scenario(args: &ScenarioArgs) -> Result<(), LoadError> {
    let mut printed = Ok(());
    let found = scenario::carry_out(args, |step| printed = print(&step.table()))?;
    printed?;
    write(&args.result, &found, || html::page_of_scenario(&found))?;
    found.judge()
}

fn print(text: &str) -> Result<(), LoadError> {
    io::stdout().write_all(text.as_bytes()).map_err(LoadError::Output)
}

/// Writes the files that are wished. They are written whatever the verdict on the result is.
fn write(to: &ResultArgs, found: &impl Serialize, page: impl FnOnce() -> String) -> Result<(), LoadError> {
    if let Some(path) = &to.json {
        let mut text = serde_json::to_string_pretty(found).map_err(|error| LoadError::Output(error.into()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(LoadError::Output)?;
    }
    match &to.html {
        Some(path) => std::fs::write(path, page()).map_err(LoadError::Output),
        None => Ok(()),
    }
}
