//! A load harness for Ollama- and OpenAI-shaped servers, on one core.
//!
//! A closed loop says what N patient users see: it asks less while a server stalls. An open loop asks when requests
//! are due, and times count from then, so that a stall is seen in full. The pure parts (schedules, plans, answers,
//! histograms, reports) know no runtime; `client` and `fake` run on monoio.

mod answer;
mod args;
mod client;
mod error;
mod fake;
mod goal;
mod histogram;
mod http;
mod kinds;
mod manners;
mod plan;
mod process;
mod prompts;
mod report;
mod schedule;
mod setup;
mod tally;
mod timers;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, RunArgs};
use crate::error::LoadError;
use crate::report::{Report, Setup};
use crate::setup::Prepared;
use crate::tally::Tally;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Fake(args) => fake::serve(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("llamero-loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<(), LoadError> {
    let Prepared { job, model, prompts } = setup::prepare(args)?;
    let goal = args.judge.goal();
    let (outcome, driver) =
        client::block_on(args.epoll, client::run(job, Tally::new(goal))).map_err(LoadError::Runtime)?;
    let setup = Setup {
        url: args.url.clone(),
        api: args.api.name(),
        model,
        r#loop: if args.rate.is_some() { "open" } else { "closed" },
        concurrency: args.rate.is_none().then_some(args.concurrency),
        rate: args.rate,
        driver,
        prompts,
        goal_ms: goal.told(),
    };
    let report = Report::new(setup, &outcome?);
    write(args, &report)?;
    judge(args, &report)
}

fn write(args: &RunArgs, report: &Report) -> Result<(), LoadError> {
    io::stdout().write_all(report.table().as_bytes()).map_err(LoadError::Output)?;
    let Some(path) = &args.json else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(report).map_err(|error| LoadError::Output(error.into()))?;
    text.push('\n');
    std::fs::write(path, text).map_err(LoadError::Output)
}

/// Whether the run counts as a success.
fn judge(args: &RunArgs, report: &Report) -> Result<(), LoadError> {
    let json = serde_json::to_value(report).map_err(|error| LoadError::Output(error.into()))?;
    for condition in &args.judge.fail_if {
        if condition.is_met(&json).map_err(LoadError::Condition)? {
            return Err(LoadError::Condition(format!("--fail-if {} was met", condition.text())));
        }
    }
    let total = report.requests + report.errors;
    if report.errors > 0 { Err(LoadError::Failed { errors: report.errors, total }) } else { Ok(()) }
}
