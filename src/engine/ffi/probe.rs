//! A load that trusts nothing, for the worker's process: what aborts here would have ended the engine.

use std::path::Path;

use super::loader::{Care, LlamaLoader, LoadError};
use crate::config::limits::PROBE_CELLS;
use crate::engine::backend::{Batch, Facts, LoadPlan, Pos, Token};
use crate::engine::kv::KvCache;

/// Rows of a probe's batches: more than one, because llama.cpp computes a single row by other means.
const ROWS: usize = 8;
/// A text whose tokens are decoded.
const TEXT: &str = "Hello, world! 1 2 3";

impl LlamaLoader {
    /// Loads a file as [`LlamaLoader::load`] does, but checks every weight, and computes some tokens with it on the CPU.
    ///
    /// # Errors
    /// When the file is not a model that writes text, memory does not suffice, or its tokens cannot be computed.
    pub fn probe(&self, path: &Path, threads: u32) -> Result<Facts, LoadError> {
        let plan = LoadPlan {
            path: path.to_owned(),
            cells: PROBE_CELLS,
            batch_rows: ROWS as u32,
            gpu_layers: 0,
            main_gpu: None,
            mmap: true,
            threads,
            cache: KvCache::default(),
        };
        let mut backend = self.load_with(&plan, Care::Probe, &|_| true)?;
        let tokens = backend.vocabulary().tokenize(TEXT, true, true).unwrap_or_default();
        // A vocabulary that makes nothing of the text still has a first entry.
        let tokens = if tokens.is_empty() { vec![0; ROWS] } else { tokens };
        let prompt = &tokens[..tokens.len().min(ROWS)];
        for (tokens, start) in [(prompt, 0), (&prompt[..1], prompt.len())] {
            backend.decode(&batch(tokens, start)).map_err(|error| LoadError::Refused(error.to_string()))?;
        }
        Ok(backend.facts().clone())
    }
}

/// These tokens from position `start` on, with logits for the last.
fn batch(tokens: &[Token], start: usize) -> Batch {
    let mut batch = Batch::default();
    for (index, &token) in tokens.iter().enumerate() {
        batch.push(token, (start + index) as Pos, 0, index + 1 == tokens.len());
    }
    batch
}
