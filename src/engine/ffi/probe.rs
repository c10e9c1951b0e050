//! A load that trusts nothing, for the worker's process: what aborts here would have ended the engine.

use std::path::Path;

use super::loader::{Care, LlamaLoader, LoadError};
use crate::config::limits::{PROBE_CELLS, PROBE_STACK_BYTES};
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
        small_stacks();
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

/// llama.cpp checks each weight in a thread of its own, hundreds at once; with the usual 8 MiB each, their stacks alone
/// would be more memory than a probe may take.
fn small_stacks() {
    // SAFETY: the attributes live on this stack, are initialized before they are used, and are destroyed once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_attr_init(&raw mut attributes) != 0 {
            return;
        }
        // If the libc refuses, stacks stay large: some models are then refused for want of memory, and nothing worse.
        if libc::pthread_attr_setstacksize(&raw mut attributes, PROBE_STACK_BYTES) == 0 {
            pthread_setattr_default_np(&raw const attributes);
        }
        libc::pthread_attr_destroy(&raw mut attributes);
    }
}

unsafe extern "C" {
    /// glibc's, since 2.18: the attributes of threads that are made without any.
    fn pthread_setattr_default_np(attributes: *const libc::pthread_attr_t) -> libc::c_int;
}

/// These tokens from position `start` on, with logits for the last.
fn batch(tokens: &[Token], start: usize) -> Batch {
    let mut batch = Batch::default();
    for (index, &token) in tokens.iter().enumerate() {
        batch.push(token, (start + index) as Pos, 0, index + 1 == tokens.len());
    }
    batch
}
