//! How a model gets into memory: done on a thread of its own, stopped when nobody wants it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::{Backend, LoadPlan};
use super::memory::Bytes;

/// Why a model could not be loaded.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// Everyone who wanted it has left.
    #[error("the load was stopped")]
    Stopped,
    /// It needs more memory than there is.
    #[error("the model does not fit into memory")]
    NoMemory,
    /// It would need more memory than there is. Ollama's words.
    #[error("model requires more system memory ({}) than is available ({})", Bytes(*.needed), Bytes(*.available))]
    TooLarge {
        /// Bytes that it would take.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// The file, the device or llama.cpp says no. The sentence names no path.
    #[error("{0}")]
    Refused(String),
}

/// Puts models into memory.
pub trait Loader: Send + Sync {
    /// Bytes that a load by this plan may take right now; without a limit, unless a loader knows better.
    fn available(&self, _plan: &LoadPlan) -> u64 {
        u64::MAX
    }

    /// Loads a model and makes its context. `keep_going` is told the progress (0 to 1) now and then, and ends the load
    /// by answering false.
    ///
    /// # Errors
    /// When it was stopped or is not possible.
    fn load(&self, plan: &LoadPlan, keep_going: &dyn Fn(f32) -> bool) -> Result<Box<dyn Backend>, LoadError>;
}

/// Tells a running load that nobody wants it any more.
#[derive(Debug, Clone, Default)]
pub struct StopLoad(Arc<AtomicBool>);

impl StopLoad {
    /// From now on the load is unwanted.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
