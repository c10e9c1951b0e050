//! From messages to the text that a model is prompted with, and from its answer to what a client gets.
//!
//! [`parse`] goes the other way, from the text that a model writes. [`jinja`] renders the template that a GGUF carries, as Hugging Face's transformers would; [`python_json`] is the
//! JSON that such templates print. Nothing in here knows a runtime or a file: text in, text out.

pub mod jinja;
pub mod parse;
mod python_json;

pub use jinja::{CHATML, PromptError, RenderOptions, Template, render};
