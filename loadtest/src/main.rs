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
mod interrupt;
mod kinds;
mod live;
mod manners;
mod models;
mod output;
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

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, ScenarioArgs};
use crate::error::LoadError;
use crate::found::Task;
use crate::output::Output;

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
    let output = Output::find(task.result())?;
    interrupt::listen().map_err(LoadError::Runtime)?;
    let found = task.carry_out("")?;
    // Whatever the verdict is.
    output.write(&found, || html::page_of(&found))?;
    output.print(&found.table())?;
    task.judge(&found)
}

fn scenario(args: &ScenarioArgs) -> Result<(), LoadError> {
    let output = Output::find(&args.result)?;
    interrupt::listen().map_err(LoadError::Runtime)?;
    let mut printed = Ok(());
    let found = scenario::carry_out(args, |step| printed = output.print(&step.table()))?;
    output.write(&found, || html::page_of_scenario(&found))?;
    printed?;
    found.judge()
}
