//! What a model is on disk, as values: names, digests, manifests, configurations, GGUF headers and Modelfiles.
//!
//! Nothing here opens a file by itself: bytes or a reader come in, values that are known to be valid go out.

pub mod capabilities;
pub mod config;
pub mod digest;
pub mod gguf;
pub mod json;
pub mod manifest;
pub mod message;
pub mod modelfile;
pub mod name;
pub mod quote;
pub mod think;
pub mod tool;

pub use config::{Config, Details};
pub use digest::Digest;
pub use manifest::{Layer, Manifest};
pub use message::Message;
pub use modelfile::Modelfile;
pub use name::Name;
pub use think::{Level, Think};
pub use tool::{Tool, ToolCall};
