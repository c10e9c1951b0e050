//! `bench`: the engine alone, without HTTP. Streams and lengths in, prefill and decode tokens per second out.

use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CliError;
use crate::config::env::Settings;
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
    #[arg(long, default_value_t = 85, value_parser = clap::value_parser!(u32).range(1..=limits::BENCH_TOKENS_MAX))]
    pub prompt_tokens: u32,
    /// Tokens of each answer
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=limits::BENCH_TOKENS_MAX))]
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
#[cfg(not(feature = "llama"))]
pub fn run(_args: &BenchArgs, _settings: &Settings) -> Result<(), CliError> {
    Err(CliError::NotInBuild("bench"))
}

/// Measures and prints.
///
/// # Errors
/// When the model cannot be loaded or decoding fails.
#[cfg(feature = "llama")]
pub fn run(args: &BenchArgs, settings: &Settings) -> Result<(), CliError> {
    llama::run(args, settings)
}

#[cfg(feature = "llama")]
mod llama {
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use super::BenchArgs;
    use crate::cli::error::{self, CliError};
    use crate::config::env::Settings;
    use crate::config::limits;
    use crate::engine::backend::LoadPlan;
    use crate::engine::ffi::LlamaLoader;
    use crate::engine::measure::{Load, measure};
    use crate::store::Store;

    pub fn run(args: &BenchArgs, settings: &Settings) -> Result<(), CliError> {
        let most = args.streams.iter().copied().max().unwrap_or(1);
        let plan = LoadPlan {
            path: path(&args.model, settings)?,
            // The pool as a server has it for the same streams, with room for every sequence to end.
            cells: most * (args.prompt_tokens + args.max_tokens + 1),
            batch_rows: limits::PREFILL_CHUNK_TOKENS as u32,
            gpu_layers: -1,
            main_gpu: None,
            mmap: true,
            threads: args.threads.unwrap_or(0),
            cache: settings.kv_cache(),
        };
        let failed = |error: &dyn std::fmt::Display| CliError::Bench(error.to_string());
        let mut backend = LlamaLoader::new().load(&plan, &|_| true).map_err(|error| failed(&error))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{:>8}{:>16}{:>16}{:>16}", "STREAMS", "PREFILL t/s", "DECODE t/s", "OUTPUT t/s")
            .map_err(error::output)?;
        let mut all = Vec::new();
        for &streams in &args.streams {
            let load = Load { streams, prompt_tokens: args.prompt_tokens, max_tokens: args.max_tokens };
            // The first run touches memory for the first time and is not counted.
            measure(&mut *backend, Load { max_tokens: 2, ..load }).map_err(|error| failed(&error))?;
            let figures = measure(&mut *backend, load).map_err(|error| failed(&error))?;
            writeln!(
                out,
                "{streams:>8}{:>16.1}{:>16.1}{:>16.1}",
                figures.prefill_tokens_per_second, figures.decode_tokens_per_second, figures.output_tokens_per_second
            )
            .map_err(error::output)?;
            all.push(figures);
        }
        if let Some(path) = &args.json {
            let text = serde_json::to_vec_pretty(&all)?;
            std::fs::write(path, text).map_err(|source| CliError::File { path: path.clone(), source })?;
        }
        Ok(())
    }

    /// The GGUF: a file, or the weights of a model in the store.
    fn path(model: &Path, settings: &Settings) -> Result<PathBuf, CliError> {
        if model.is_file() {
            return Ok(model.to_owned());
        }
        let text = model.to_string_lossy();
        let unknown = || CliError::Bench(format!("{text} is neither a file nor a model in the store"));
        let name = text.parse().map_err(|_| unknown())?;
        let store = Store::open(&settings.models).map_err(|error| CliError::Bench(error.to_string()))?;
        let found = store.resolve(&name).map_err(|error| CliError::Bench(error.to_string()))?;
        found.and_then(|model| model.weights.clone()).ok_or_else(unknown)
    }
}
