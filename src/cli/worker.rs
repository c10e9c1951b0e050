//! `worker`: a process for one job on one file. The server starts it; nobody else does.

use std::io;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cli::error::CliError;
use crate::cli::serve::start_log;
use crate::config::env::Settings;
use crate::convert;

/// Flags of `worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {}

/// Does the job that comes in on standard input, and says how it went on standard output.
///
/// # Errors
/// When there is no job, or nobody listens.
pub fn run(_args: &WorkerArgs, settings: &Settings) -> Result<(), CliError> {
    start_log(settings.log_level);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| CliError::Worker(error.into()))?;
    // Whatever llama.cpp may print must not get between the events: from here on stdout is stderr.
    let output = rustix::io::dup(io::stdout()).map_err(|error| CliError::Worker(error.into()))?;
    rustix::stdio::dup2_stdout(io::stderr()).map_err(|error| CliError::Worker(error.into()))?;
    convert::run(io::stdin(), std::fs::File::from(output)).map_err(CliError::Worker)
}
