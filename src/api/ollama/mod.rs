//! Ollama's own API: what its requests and replies look like, and what their fields mean.

pub mod chat;
pub mod cloud;
mod complete;
pub mod create;
pub mod error;
pub mod format;
pub mod generate;
pub mod image;
pub mod keep_alive;
mod lookup;
pub mod manage;
pub mod options;
pub mod replies;
pub mod show;
pub mod small;
pub mod think;
pub mod time;
pub mod types;
