//! The inference side: one thread owns the device, every loaded model and the batch.

pub mod backend;
#[cfg(feature = "llama")]
pub mod ffi;
pub mod wire;
