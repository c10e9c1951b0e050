//! From messages to the text that a model is prompted with.
//!
//! [`jinja`] renders the template that a GGUF carries, as Hugging Face's transformers would; [`python_json`] is the
//! JSON that such templates print. [`mod@render`] holds the built-in renderers, for models that name one. Nothing in
//! here knows a runtime or a file: text in, text out.

pub mod jinja;
mod python_json;
pub mod render;

pub use jinja::{CHATML, PromptError, RenderOptions, Template, render};
