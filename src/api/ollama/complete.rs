//! What generate and chat have in common: from a checked request to the engine's.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::format::{self, Format};
use super::options;
use super::think::Think;
use super::types::{Message, Purpose};
use crate::api::{App, Call, Outcome, json};
use crate::engine::wire::{self, Completion, Dialect, KeepAlive, ModelRef, Prompt, ReplyFormat, Submit, Work};
use crate::model;
use crate::store::Model;

/// A request of either route.
pub struct Asked {
    /// Which route.
    pub dialect: Dialect,
    /// Load, unload or answer.
    pub purpose: Purpose,
    /// The model's name as the client wrote it.
    pub model: String,
    /// Event by event, or one object.
    pub stream: bool,
    /// `format` as it came.
    pub format: Option<Value>,
    /// `options` as they came.
    pub options: Map<String, Value>,
    /// `None`: as before.
    pub keep_alive: Option<KeepAlive>,
    /// Whether to think.
    pub think: Option<Think>,
    /// Cut a prompt that is too long.
    pub truncate: bool,
    /// Shift a full context; `None`: where the model can.
    pub shift: Option<bool>,
    /// Report log probabilities.
    pub logprobs: bool,
    /// Alternatives beside each token, checked.
    pub top_logprobs: i64,
    /// Render the prompt and stop.
    pub render_only: bool,
    /// Tokens in front of the prompt.
    pub context: Vec<i32>,
    /// Whether the final event carries `context`.
    pub reply_context: bool,
    /// The prompt.
    pub prompt: Prompt,
}

/// Messages for the engine's template.
pub fn messages(messages: &[Message]) -> Prompt {
    // Strings, numbers and maps of them: always written, and always UTF-8.
    let bytes = json::to_vec(messages).unwrap_or_default();
    Prompt::Messages(String::from_utf8(bytes).unwrap_or_default())
}

/// The error for a capability that the model, or this version, lacks (the behaviour page, section 1.10): the name is
/// fully qualified there.
pub fn missing(model: &Model, capability: &str) -> ApiError {
    ApiError::new(400, format!("{} does not support {capability}", model.name.full()))
}

/// Makes the engine's request.
///
/// # Errors
/// What is wrong with the request, given this model.
pub fn submit(app: &App, model: &Model, call: Call, asked: Asked) -> Result<Outcome, ApiError> {
    if asked.purpose == Purpose::Complete {
        check(model, &asked)?;
    }
    let format = shape(asked.format.as_ref())?;
    let mut resolved = options::resolve(&model.params, &asked.options)?;
    for notice in &resolved.notices {
        tracing::warn!(model = asked.model, "{notice}");
    }
    if resolved.load.num_ctx == 0 {
        resolved.load.num_ctx = app.settings.context_length.unwrap_or(0);
    }
    let framing = call.framing(asked.stream);
    let work = match asked.purpose {
        Purpose::Load => Work::Load,
        Purpose::Unload => Work::Unload,
        Purpose::Complete => Work::Complete(Box::new(Completion {
            prompt: asked.prompt,
            context: asked.context,
            reply_context: asked.reply_context,
            enable_thinking: asked.think.map(Think::wanted),
            format,
            sampling: resolved.sampling,
            stop: resolved.stop,
            num_predict: resolved.num_predict,
            num_keep: resolved.num_keep,
            truncate: asked.truncate,
            shift: asked.shift.unwrap_or(true),
            logprobs: asked.logprobs,
            top_logprobs: asked.top_logprobs.clamp(0, i64::from(u8::MAX)) as u8,
            render_only: asked.render_only,
        })),
    };
    Ok(Outcome::Engine(Box::new(Submit {
        stream: 0,
        received_ns: call.received_ns,
        model: ModelRef {
            name: model.name.to_string(),
            digest: model.digest.hex(),
            path: weights(model)?,
            load: resolved.load,
            details: details(&model.details),
        },
        keep_alive: asked.keep_alive,
        reply: ReplyFormat { dialect: asked.dialect, framing, model: asked.model },
        work,
    })))
}

/// The file that the engine loads.
fn weights(model: &Model) -> Result<PathBuf, ApiError> {
    let missing = || ApiError::new(500, format!("model '{}' has no GGUF that could be loaded", model.name));
    model.weights.clone().ok_or_else(missing)
}

/// The details as replies and the engine have them.
pub fn details(details: &model::Details) -> wire::Details {
    wire::Details {
        parent_model: details.parent_model.clone(),
        format: details.format.clone(),
        family: details.family.clone(),
        families: details.families.clone(),
        parameter_size: details.parameter_size.clone(),
        quantization_level: details.quantization_level.clone(),
    }
}

fn check(model: &Model, asked: &Asked) -> Result<(), ApiError> {
    if !model.completes() {
        let what = if asked.dialect == Dialect::Chat { "chat" } else { "generate" };
        return Err(ApiError::not_supported(&asked.model, what));
    }
    Ok(())
}

/// The engine's form of `format`.
fn shape(field: Option<&Value>) -> Result<Option<wire::Format>, ApiError> {
    Ok(match format::read(field)? {
        Format::Free => None,
        Format::Json => Some(wire::Format::Json),
        Format::Schema(schema) => {
            // Maps, strings and numbers: always written, and always UTF-8.
            let bytes = json::to_vec(schema).unwrap_or_default();
            Some(wire::Format::Schema(String::from_utf8(bytes).unwrap_or_default()))
        }
    })
}
