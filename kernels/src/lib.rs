//! Kernels of llamero: the small loops that run once per token.
//!
//! Each is plain Rust on slices: no runtime, no I/O, no allocation in steady state. [`escape`] writes text into a JSON
//! string, [`sampling`] chooses the next token from a row of logits.

pub mod escape;
pub mod sampling;
