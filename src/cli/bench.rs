//! `bench`: the engine alone, without HTTP. Streams and lengths in, prefill and decode tokens per second out.

use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CliError;
use crate::config::limits;

/// Flags of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A GGUF file, or the name of a model in the store
    pub model: PathBuf,
    /// Sequences at once, one line of the table for each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16",
          value_parser = clap::value_parser!(u32).range(1..=limits::SEQUENCES_MAX as i64))]
    pub streams: Vec<u32>,
    /// Tokens of each prompt
    #[arg(long, default_value_t = 85, value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt_tokens: u32,
    /// Tokens of each answer
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,
    /// CPU threads [default: one per core]
    #[arg(long)]
    pub threads: Option<u32>,
    /// Write the figures to this file as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When the model cannot be loaded or decoding fails.
pub fn run(_args: &BenchArgs) -> Result<(), CliError> {
    Err(CliError::NotInBuild("bench"))
}
