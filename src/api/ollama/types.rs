//! What Ollama's routes are asked (the behaviour page, sections 1.10, 1.11 and 6.1).

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::image::Image;
use super::keep_alive;
use super::think::Think;
use crate::api::json::{Request, free};
use crate::config::limits::TOP_LOGPROBS_MAX;
use crate::engine::wire::KeepAlive;
use crate::model;
use crate::model::tool::{Tool, ToolCall};

/// What a request comes down to, before its model is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing to answer: load the model.
    Load,
    /// Nothing to answer and no time to stay: unload it. No capability is asked for.
    Unload,
    /// Answer.
    Complete,
}

impl Purpose {
    fn of(empty: bool, keep_alive: Option<KeepAlive>) -> Self {
        match (empty, keep_alive) {
            (true, Some(KeepAlive::For(0))) => Self::Unload,
            (true, _) => Self::Load,
            (false, _) => Self::Complete,
        }
    }
}

/// `POST /api/generate`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GenerateRequest {
    /// Name as the client wrote it; replies echo it.
    #[serde(default)]
    pub model: String,
    /// Text to go on from; empty: load or unload.
    #[serde(default)]
    pub prompt: String,
    /// Text that the answer leads up to.
    #[serde(default)]
    pub suffix: String,
    /// Instead of the model's system message.
    #[serde(default)]
    pub system: String,
    /// Go template instead of the model's.
    #[serde(default)]
    pub template: String,
    /// Tokens in front of the prompt, from an earlier reply.
    #[serde(default)]
    pub context: Vec<i32>,
    /// Unset: true.
    #[serde(default)]
    pub stream: Option<bool>,
    /// The prompt as it is, without a template.
    #[serde(default)]
    pub raw: bool,
    /// See [`super::format::read`].
    #[serde(default, deserialize_with = "free::some_value")]
    pub format: Option<Value>,
    /// Unset: as before.
    #[serde(default, deserialize_with = "keep_alive::deserialize")]
    pub keep_alive: Option<KeepAlive>,
    /// For models that see.
    #[serde(default)]
    pub images: Vec<Image>,
    /// See [`super::options::resolve`].
    #[serde(default, deserialize_with = "free::object")]
    pub options: Map<String, Value>,
    /// Unset: what the model does.
    #[serde(default)]
    pub think: Option<Think>,
    /// Cut a prompt that is too long. Unset: true.
    #[serde(default)]
    pub truncate: Option<bool>,
    /// Shift a full context. Unset: true.
    #[serde(default)]
    pub shift: Option<bool>,
    /// Answer with the rendered prompt.
    #[serde(default, rename = "_debug_render_only")]
    pub debug_render_only: bool,
    /// Report log probabilities.
    #[serde(default)]
    pub logprobs: bool,
    /// Alternatives beside each token; in range once [`Self::check_body`] has passed.
    #[serde(default)]
    pub top_logprobs: i64,
}

impl Request for GenerateRequest {
    const NAME: &'static str = "GenerateRequest";
    const GO_TYPES: &'static [(&'static str, &'static str)] = &[("context", "[]int"), ("images", "[]api.ImageData")];
}

impl GenerateRequest {
    /// What is wrong with it whatever the model: comes before the name is looked at.
    ///
    /// # Errors
    /// 400 when `top_logprobs` is out of range.
    pub fn check_body(&self) -> Result<(), ApiError> {
        check_top_logprobs(self.top_logprobs)
    }

    /// The name, trimmed.
    ///
    /// # Errors
    /// 404 when there is none: this route looks for it like for any other.
    pub fn name(&self) -> Result<&str, ApiError> {
        let name = self.model.trim();
        if name.is_empty() { Err(ApiError::model_not_found(&self.model)) } else { Ok(name) }
    }

    /// Whether it loads, unloads or asks something.
    pub fn purpose(&self) -> Purpose {
        Purpose::of(self.prompt.is_empty(), self.keep_alive)
    }

    /// Whether `raw` leaves anything for a template to do: comes after the unloading shortcut.
    ///
    /// # Errors
    /// 400 when it does.
    pub fn check_raw(&self) -> Result<(), ApiError> {
        if self.raw && !(self.template.is_empty() && self.system.is_empty() && self.context.is_empty()) {
            return Err(ApiError::new(400, "raw mode does not support template, system, or context"));
        }
        Ok(())
    }
}

/// `POST /api/chat`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ChatRequest {
    /// Name as the client wrote it; replies echo it.
    #[serde(default)]
    pub model: String,
    /// The conversation; empty: load or unload.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// Unset: true.
    #[serde(default)]
    pub stream: Option<bool>,
    /// See [`super::format::read`].
    #[serde(default, deserialize_with = "free::some_value")]
    pub format: Option<Value>,
    /// Unset: as before.
    #[serde(default, deserialize_with = "keep_alive::deserialize")]
    pub keep_alive: Option<KeepAlive>,
    /// The tools that the model may call; templates can tell an empty list from none.
    #[serde(default)]
    pub tools: Option<Vec<Tool>>,
    /// See [`super::options::resolve`].
    #[serde(default, deserialize_with = "free::object")]
    pub options: Map<String, Value>,
    /// Unset: what the model does.
    #[serde(default)]
    pub think: Option<Think>,
    /// Drop the oldest messages of a conversation that is too long. Unset: true.
    #[serde(default)]
    pub truncate: Option<bool>,
    /// Shift a full context. Unset: true.
    #[serde(default)]
    pub shift: Option<bool>,
    /// Answer with the rendered prompt.
    #[serde(default, rename = "_debug_render_only")]
    pub debug_render_only: bool,
    /// Report log probabilities.
    #[serde(default)]
    pub logprobs: bool,
    /// Alternatives beside each token; in range once [`Self::check_body`] has passed.
    #[serde(default)]
    pub top_logprobs: i64,
}

impl Request for ChatRequest {
    const NAME: &'static str = "ChatRequest";
    const GO_TYPES: &'static [(&'static str, &'static str)] = &[
        ("messages", "[]api.Message"),
        ("messages.images", "[]api.ImageData"),
        ("messages.tool_calls", "[]api.ToolCall"),
        ("messages.tool_calls.function.arguments", "api.ToolCallFunctionArguments"),
        ("tools", "api.Tools"),
    ];
}

impl ChatRequest {
    /// What is wrong with it whatever the model: comes before the name is looked at.
    ///
    /// # Errors
    /// 400 when `top_logprobs` is out of range.
    pub fn check_body(&self) -> Result<(), ApiError> {
        check_top_logprobs(self.top_logprobs)
    }

    /// The name, trimmed.
    ///
    /// # Errors
    /// 400 when there is none.
    pub fn name(&self) -> Result<&str, ApiError> {
        let name = self.model.trim();
        if name.is_empty() { Err(ApiError::model_required()) } else { Ok(name) }
    }

    /// Whether it loads, unloads or asks something.
    pub fn purpose(&self) -> Purpose {
        Purpose::of(self.messages.is_empty(), self.keep_alive)
    }
}

fn check_top_logprobs(wanted: i64) -> Result<(), ApiError> {
    if (0..=i64::from(TOP_LOGPROBS_MAX)).contains(&wanted) {
        return Ok(());
    }
    Err(ApiError::new(400, format!("top_logprobs must be between 0 and {TOP_LOGPROBS_MAX}")))
}

/// A message of a request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool` or what the template knows; lower case.
    #[serde(default, deserialize_with = "lower_case")]
    pub role: String,
    /// Its text.
    #[serde(default)]
    pub content: String,
    /// What the model thought before it.
    #[serde(default)]
    pub thinking: String,
    /// For models that see.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Tools that the assistant called.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Of a `tool` message: whose result it is.
    #[serde(default)]
    pub tool_name: String,
    /// Of a `tool` message: which call's result it is.
    #[serde(default)]
    pub tool_call_id: String,
}

impl From<Message> for model::Message {
    fn from(message: Message) -> Self {
        let Message { role, content, thinking, images, tool_calls, tool_name, tool_call_id } = message;
        let images = images.into_iter().map(|image| image.base64().to_owned()).collect();
        Self { role, content, thinking, images, tool_calls, tool_name, tool_call_id }
    }
}

fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|role| role.to_lowercase())
}
