//! llama.cpp behind [`Backend`](super::backend::Backend).
//!
//! The crate llama-cpp-2 starts llama.cpp and lists its devices. Models, contexts and batches are ours over
//! llama-cpp-sys-2, because the wrapper hides the pointers that unified KV memory, shifts and batches of many sequences need.
//!
//! Read in this order: `loader` (a plan becomes a model and a context), `model` (the weights), `vocabulary` (text and
//! tokens), `context` (decoding), `log` (what llama.cpp says, and what we learn from it). `probe` and `quantize` are what
//! the worker's process does with files.

mod context;
mod loader;
mod log;
mod model;
mod probe;
mod quantize;
mod vocabulary;

pub use context::LlamaBackend;
pub use loader::{Device, LlamaLoader, LoadError, devices};
pub use quantize::{QuantizeError, quantize};
pub use vocabulary::LlamaVocabulary;
