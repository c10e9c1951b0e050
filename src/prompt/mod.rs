//! From messages to the text that a model is prompted with, and back.
//!
//! [`gotemplate`] renders the template that a model of Ollama's library carries; [`jinja`] the one in a GGUF, as Hugging
//! Face's transformers would, with messages in [`openai`]'s shape. [`render`] holds the built-in renderers, for models
//! that name one. [`parse`] goes the other way, from the text that a model writes to thinking, content and tool calls;
//! [`reading`] chooses the parser, by [`tags`] where only a template tells. Nothing in here knows a runtime or a file:
//! text in, text out.

pub mod gotemplate;
pub mod jinja;
pub mod openai;
pub mod parse;
pub mod reading;
pub mod render;
pub mod tags;

pub use jinja::{CHATML, PromptError, RenderOptions, Template};
