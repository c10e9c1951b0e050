//! The inference side: one thread owns the device, every loaded model and the batch.

pub mod backend;
pub mod clock;
#[cfg(feature = "llama")]
pub mod ffi;
pub mod frames;
pub mod grammar;
pub mod handover;
pub mod inference;
pub mod intake;
pub mod kv;
pub mod loader;
pub mod mailbox;
pub mod measure;
pub mod memory;
pub mod models;
pub mod openmp;
pub mod prepare;
pub mod process;
pub mod scheduler;
pub mod sequence;
pub mod stop;
pub mod supervisor;
pub mod synthetic;
pub mod templates;
pub mod wire;
