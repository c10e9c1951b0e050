//! How a model gets into memory: done on a thread of its own, stopped when nobody wants it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// It stands still for too long (`OLLAMA_LOAD_TIMEOUT`).
    #[error("timed out waiting for the model to load: it has made no progress for {} s", .0 / 1_000_000_000)]
    Stalled(u64),
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

/// Joins a load with those who wait for it: tells it that nobody does any more, and them that it moves.
#[derive(Debug, Clone, Default)]
pub struct StopLoad(Arc<Link>);

#[derive(Debug, Default)]
struct Link {
    stopped: AtomicBool,
    /// Signs of life so far.
    moves: AtomicU64,
}

impl StopLoad {
    /// From now on the load is unwanted.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// The load has come a step further. Returns whether it is still wanted.
    pub fn go_on(&self) -> bool {
        self.0.moves.fetch_add(1, Ordering::Relaxed);
        !self.is_stopped()
    }

    /// How often it did.
    pub fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Relaxed)
    }
}
