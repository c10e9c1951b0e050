//! Checks a GGUF by using it: whatever the engine would trip over happens here.

use std::path::Path;
use std::thread::available_parallelism;

use super::wire::{Facts, Told};
use crate::config::limits::PROBE_THREADS_MAX;
use crate::engine::ffi::{LlamaLoader, LoadError};

/// Loads the file as the engine would and computes some tokens.
pub fn run(file: &Path) -> Told {
    let threads = available_parallelism().map_or(1, usize::from).min(PROBE_THREADS_MAX);
    match LlamaLoader::new().probe(file, threads as u32) {
        Ok(facts) => Told::Loads(Facts {
            writes_text: true,
            vocabulary: facts.vocabulary as u64,
            trained_context: facts.trained_context,
        }),
        // The engine refuses these by itself, before anything is computed.
        Err(LoadError::WritesNoText) => Told::Loads(Facts { writes_text: false, vocabulary: 0, trained_context: 0 }),
        Err(LoadError::NoMemory { .. }) => Told::NoMemory,
        Err(error) => Told::Refused(error.to_string()),
    }
}
