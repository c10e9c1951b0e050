//! `engine`: the engine's process. The server starts it; nobody else does.

use clap::Args;

use crate::cli::error::CliError;

/// Flags of `engine`.
#[derive(Debug, Args)]
pub struct EngineArgs {}

/// Runs the engine until its socket ends.
///
/// # Errors
/// When the engine cannot start.
pub fn run(_args: &EngineArgs) -> Result<(), CliError> {
    Err(CliError::NotInBuild("engine"))
}
