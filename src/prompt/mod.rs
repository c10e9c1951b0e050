//! From messages to the text that a model is prompted with.
//!
//! [`gotemplate`] renders the template that a model of Ollama's library carries; [`jinja`] the one in a GGUF, as Hugging
//! Face's transformers would, with [`python_json`], the JSON that those print. Nothing in here knows a runtime or a
//! file: text in, text out.

pub mod gotemplate;
pub mod jinja;
mod python_json;

pub use jinja::{CHATML, PromptError, RenderOptions, Template, render};
