//! Errors as the client sees them: a status and one sentence in Ollama's words (the behaviour page, sections 0.5,
//! 1.10, 1.11 and 1.14).

use crate::api::json::{JsonError, clip};

/// A refusal: its body is [`super::replies::ErrorReply`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// What the client is told, at most [`crate::config::limits::ERROR_TEXT_BYTES`].
    pub message: String,
}

impl ApiError {
    /// An error with a status and a text; a long text is cut.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: clip(message.into()) }
    }

    /// There is no such model. `name` as the client wrote it.
    pub fn model_not_found(name: &str) -> Self {
        Self::new(404, format!("model '{name}' not found"))
    }

    /// A name that no model can have.
    pub fn invalid_model_name() -> Self {
        Self::new(400, "invalid model name")
    }

    /// A request without a name.
    pub fn model_required() -> Self {
        Self::new(400, "model is required")
    }

    /// The model cannot do what the route is for. `what`: `generate`, `chat`, `thinking`; `name` as the client wrote it.
    pub fn not_supported(name: &str, what: &str) -> Self {
        Self::new(400, format!("\"{name}\" does not support {what}"))
    }

    /// The queue is full. Two spaces, as Ollama has them.
    pub fn busy() -> Self {
        Self::new(503, "server busy, please try again.  maximum pending requests exceeded")
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        Self::new(JsonError::STATUS, error.to_string())
    }
}
