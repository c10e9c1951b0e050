//! How many models may be loaded, and how each is.

use crate::config::limits::{CONTEXT_DEFAULT, CONTEXT_MIN, POOL_CELLS_MAX};
use crate::engine::backend::LoadPlan;
use crate::engine::kv::KvCache;
use crate::engine::memory;
use crate::engine::wire::{KeepAlive, LoadOptions, ModelRef};

/// How many models may be loaded, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Most models at once (`OLLAMA_MAX_LOADED_MODELS`); 0: what memory holds.
    pub models: usize,
    /// Bytes that all models together may take. A single one that is larger is left to the loader to refuse.
    pub bytes: u64,
    /// Keep-alive of a model whose requests do not say (`OLLAMA_KEEP_ALIVE`).
    pub keep_alive: KeepAlive,
    /// Context of a request that does not say (`OLLAMA_CONTEXT_LENGTH`), in tokens; 0: [`CONTEXT_DEFAULT`].
    pub context: u32,
    /// Cells of a model's KV pool, unless a request wants a larger context, or memory has room for fewer.
    pub cells: u32,
    /// Rows of a batch of a model whose requests do not say.
    pub batch_rows: u32,
    /// What the KV memory is made of.
    pub cache: KvCache,
    /// How long loads may make no progress, in nanoseconds (`OLLAMA_LOAD_TIMEOUT`); 0: without limit.
    pub load_timeout: u64,
}

impl Room {
    /// The context that a request gets from a model that was trained with `trained` tokens (0: not known yet).
    pub fn context(&self, options: &LoadOptions, trained: u32) -> u32 {
        let wanted = match (options.num_ctx, self.context) {
            (0, 0) => CONTEXT_DEFAULT,
            (0, default) => default,
            (asked, _) => asked,
        };
        let context = if trained == 0 { wanted } else { wanted.min(trained) };
        context.max(CONTEXT_MIN as u32)
    }

    /// How a model is loaded for a request, and the bytes that it will take then. Where memory has no room for the usual
    /// pool it gets a smaller one, but never less than the request's context.
    pub(super) fn plan(&self, model: &ModelRef) -> (LoadPlan, u64) {
        let options = &model.load;
        let context = self.context(options, model.trained_context);
        let mut plan = LoadPlan {
            path: model.path.clone(),
            cells: self.cells.max(context).min(POOL_CELLS_MAX),
            batch_rows: if options.num_batch == 0 { self.batch_rows } else { options.num_batch },
            gpu_layers: options.num_gpu,
            main_gpu: options.main_gpu,
            mmap: options.use_mmap.unwrap_or(true),
            threads: options.num_thread,
            cache: self.cache,
        };
        let mut needed = memory::needed(&model.footprint, &plan);
        while needed > self.bytes && plan.cells > context {
            plan.cells = (plan.cells / 2).max(context);
            needed = memory::needed(&model.footprint, &plan);
        }
        (plan, needed)
    }
}
