//! Routes and handlers: what a client may ask, and what it gets back.

pub mod json;
pub mod ollama;
