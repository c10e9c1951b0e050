//! `serve`: the server itself.

use clap::{Args, ValueEnum};

use crate::cli::error::CliError;
use crate::config::env::Settings;
use crate::config::limits;

/// Flags of `serve`. What `OLLAMA_*` says comes from the environment.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Run the engine as a process of its own, or as a thread of the server
    #[arg(long, value_enum, default_value_t = EngineMode::Child)]
    pub engine: EngineMode,
    /// Network cores [default: 1 below 8 CPUs, otherwise up to 4]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=limits::CORES_MAX as i64))]
    pub cores: Option<u16>,
}

/// Where the inference thread lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineMode {
    /// In the server's process: smallest, and easiest to debug.
    Thread,
    /// In a process of its own, which may die without taking the server along.
    Child,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the server cannot start.
pub fn run(_args: &ServeArgs, _settings: &Settings) -> Result<(), CliError> {
    Err(CliError::NotInBuild("serve"))
}
