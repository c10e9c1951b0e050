//! The inference side: one thread owns the device, every loaded model and the batch.

pub mod backend;
pub mod scheduler;
pub mod sequence;
pub mod synthetic;
pub mod wire;
