//! The inference side: one thread owns the device, every loaded model and the batch.

pub mod backend;
pub mod clock;
pub mod frames;
pub mod handover;
pub mod mailbox;
pub mod measure;
pub mod process;
pub mod scheduler;
pub mod sequence;
pub mod supervisor;
pub mod synthetic;
#[cfg(feature = "llama")]
pub mod ffi;
pub mod wire;
