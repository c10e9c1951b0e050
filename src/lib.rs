//! llamero: a drop-in replacement for Ollama on Linux inference boxes.
//!
//! `ARCHITECTURE.md` is the map. In one breath: `net` reads bytes on one io_uring runtime per core, `http` turns
//! them into values, `api` answers or hands a request to the engine, `engine` decodes all requests in one batch on the
//! thread that owns the device, and `stream` is the shared memory through which its frames go out.

pub mod api;
pub mod cli;
pub mod config;
pub mod convert;
pub mod engine;
pub mod http;
pub mod model;
pub mod net;
pub mod prompt;
pub mod store;
pub mod stream;
pub mod worker;
