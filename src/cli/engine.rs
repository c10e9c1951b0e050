//! `engine`: the engine's process. The server starts it; nobody else does.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cli::error::CliError;
use crate::cli::serve::start_log;
use crate::config::env::Settings;
use crate::engine::process;

/// Flags of `engine`.
#[derive(Debug, Args)]
pub struct EngineArgs {}

/// Runs the engine on the control socket that is its standard input, until that socket ends.
///
/// # Errors
/// When the engine cannot start.
pub fn run(_args: &EngineArgs, settings: &Settings) -> Result<(), CliError> {
    start_log(settings.log_level);
    // The child dies with its parent, also when that is killed; should it be dead already, the socket's end tells.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| CliError::Engine(error.into()))?;
    let control = std::io::stdin().as_fd().try_clone_to_owned().map_err(CliError::Engine)?;
    process::run(&UnixStream::from(control)).map_err(CliError::Engine)
}
