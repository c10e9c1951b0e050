//! Ollama's own API: what its requests and replies look like, and what their fields mean.

pub mod duration;
pub mod error;
pub mod format;
pub mod image;
pub mod keep_alive;
pub mod options;
pub mod replies;
pub mod think;
pub mod time;
pub mod types;
