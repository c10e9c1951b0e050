//! What can go wrong with a template: it does not parse, or it cannot be rendered.

use crate::config::limits::{GO_TEMPLATE_NODES_MAX, LAYER_TEXT_BYTES, PROMPT_BYTES, TEMPLATE_DEPTH_MAX, TEMPLATE_FUEL};

/// Why a text is no template. Found when a model is created; the sentences are Go's where Go has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not the language.
    #[error("template: :{line}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// `{{ template "x" }}` without a value, which Ollama refuses.
    #[error("undefined template specified")]
    UndefinedTemplate,
    /// Longer than [`LAYER_TEXT_BYTES`].
    #[error("the template is longer than {LAYER_TEXT_BYTES} bytes")]
    TooLong,
    /// More than [`GO_TEMPLATE_NODES_MAX`] parts.
    #[error("the template has more than {GO_TEMPLATE_NODES_MAX} parts")]
    TooManyParts,
    /// Deeper than [`TEMPLATE_DEPTH_MAX`].
    #[error("the template nests deeper than {TEMPLATE_DEPTH_MAX} levels")]
    TooDeep,
}

/// Why a template does not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It asks for something that its data do not allow.
    #[error("template: :{line}:{column}: {message}")]
    Failed {
        /// Line, from 1.
        line: usize,
        /// Bytes before it on its line.
        column: usize,
        /// What it did wrong.
        message: String,
    },
    /// It would not end within [`TEMPLATE_FUEL`] steps.
    #[error("the model's template takes more than {TEMPLATE_FUEL} steps")]
    TooManySteps,
    /// It wrote more than [`PROMPT_BYTES`], or made as much text in its variables several times over.
    #[error("the prompt is longer than {PROMPT_BYTES} bytes")]
    TooLong,
    /// Its templates call each other deeper than [`TEMPLATE_DEPTH_MAX`].
    #[error("the model's template nests deeper than {TEMPLATE_DEPTH_MAX} levels")]
    TooDeep,
}

/// How the inside of the engine fails; whoever knows the place makes a [`RenderError`] of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fail {
    /// A sentence.
    Wrong(String),
    TooManySteps,
    TooLong,
    TooDeep,
}

/// Line (from 1) and column (bytes) of a place in `text`.
pub(super) fn place(text: &str, spot: usize) -> (usize, usize) {
    let before = text.get(..spot).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    (line, column)
}

/// The beginning of something that a stranger wrote, for a sentence.
pub(super) fn clip(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
