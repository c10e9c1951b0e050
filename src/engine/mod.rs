//! The inference side: one thread owns the device, every loaded model and the batch.

pub mod backend;
pub mod clock;
pub mod frames;
pub mod handover;
pub mod inference;
pub mod intake;
pub mod loader;
pub mod mailbox;
pub mod models;
pub mod prepare;
pub mod scheduler;
pub mod sequence;
pub mod stop;
pub mod supervisor;
pub mod synthetic;
pub mod wire;
