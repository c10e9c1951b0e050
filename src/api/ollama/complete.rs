//! What generate and chat have in common: from a checked request to the engine's.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::format::{self, Format};
use super::options;
use super::think::Think;
use super::types::Purpose;
use crate::api::{App, Call, Outcome};
use crate::engine::wire::{
    self, Completion, Dialect, KeepAlive, ModelRef, Prompt, Reader, ReplyFormat, Submit, Work, Writer,
};
use crate::model::capabilities::{COMPLETION, Formatter, THINKING, TOOLS};
use crate::model::gguf::Footprint;
use crate::model::think::Level;
use crate::model::{self, Message, Tool};
use crate::prompt::parse::known;
use crate::prompt::render;
use crate::store::{Abilities, Model};

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
    /// Who reads the answer.
    pub reader: Reader,
}

/// Who makes the prompts of a model, who reads its answers, and how it thinks for one request.
pub struct Manner {
    /// Who makes prompts.
    pub writer: Writer,
    /// Who reads answers.
    pub reader: Reader,
    /// Whether to think; `None`: nobody said, and the model cannot.
    pub think: Option<Think>,
}

impl Default for Manner {
    /// For requests that ask nothing of the model.
    fn default() -> Self {
        Self { writer: Writer::Gguf, reader: Reader::Nobody, think: None }
    }
}

impl Manner {
    /// Checks what a request wants against what the model can do, in Ollama's order (the behaviour page, sections 1.10
    /// and 1.11), and finds out who has to do it (section 7.1). `name` is the model's as the client wrote it.
    ///
    /// # Errors
    /// When the model cannot do what is asked, or its configuration cannot be used.
    pub fn of(
        model: &Model,
        abilities: &Abilities,
        dialect: Dialect,
        name: &str,
        think: Option<Think>,
        tools: &[Tool],
    ) -> Result<Self, ApiError> {
        if let Some(error) = &model.template_error {
            return Err(ApiError::new(500, error.to_string()));
        }
        let thinks = abilities.has(THINKING);
        if !thinks && think.is_some_and(Think::wanted) {
            return Err(ApiError::not_supported(name, "thinking"));
        }
        if !abilities.has(COMPLETION) {
            let what = if dialect == Dialect::Chat { "chat" } else { "generate" };
            return Err(ApiError::not_supported(name, what));
        }
        if !tools.is_empty() && !abilities.has(TOOLS) {
            return Err(missing(model, TOOLS));
        }
        let think = if thinks { think.or(Some(Think::On)) } else { think };
        let (writer, reader) = roles(model, abilities.formatter, dialect);
        // Harmony knows no more than high.
        let is_harmony = abilities.formatter == Formatter::Harmony;
        let think = think.map(|think| match think {
            Think::Level(Level::Max) if is_harmony => Think::Level(Level::High),
            think => think,
        });
        Ok(Self { writer, reader, think })
    }
}

/// Who makes the prompts, and who reads the answers (section 7.1).
fn roles(model: &Model, formatter: Formatter, dialect: Dialect) -> (Writer, Reader) {
    let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    match formatter {
        Formatter::BuiltIn => {
            let writer = match named(&model.config.renderer) {
                None => Writer::Go,
                // A name that there is not fails where it has to write, which a raw prompt does not ask for.
                Some(name) => {
                    Writer::BuiltIn(match render::for_model(&name, &model.name, &model.details.parameter_size) {
                        Ok(renderer) => renderer.name().to_owned(),
                        Err(_) => name,
                    })
                }
            };
            // A name that there is not is none, silently.
            let parser = named(&model.config.parser).filter(|name| known(name).is_some());
            (writer, parser.map_or(Reader::Go, Reader::BuiltIn))
        }
        Formatter::Harmony => (Writer::Go, Reader::BuiltIn("harmony".to_owned())),
        Formatter::GoTemplate => (Writer::Go, Reader::Go),
        // Without any template a generate's prompt is the text itself, and a chat's is ChatML.
        Formatter::Nobody if dialect == Dialect::Generate => (Writer::Go, Reader::Go),
        Formatter::Jinja | Formatter::Nobody => (Writer::Gguf, Reader::Gguf),
    }
}

/// JSON for the engine.
pub fn text_of<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Strings, numbers and maps of them can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// The system message that a conversation begins with, if there is one.
pub fn system(text: Option<&str>) -> Option<Message> {
    let content = text.filter(|text| !text.is_empty())?.to_owned();
    Some(Message { role: "system".to_owned(), content, ..Message::default() })
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
            context: asked.context,
            reply_context: asked.reply_context,
            think: asked.think,
            go_template: go_template(model, &asked.prompt, &asked.reader),
            prompt: asked.prompt,
            reader: asked.reader,
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
    let facts = model.facts.as_deref();
    Ok(Outcome::Engine(Box::new(Submit {
        stream: 0,
        received_ns: call.received_ns,
        model: ModelRef {
            name: model.name.to_string(),
            digest: model.digest.hex(),
            path: weights(model)?,
            load: resolved.load,
            details: details(&model.details),
            trained_context: facts.map_or(0, |facts| u32::try_from(facts.context_length).unwrap_or(u32::MAX)),
            footprint: facts.map_or_else(Footprint::default, |facts| facts.footprint),
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

/// The Go template, where the engine has a use for it.
fn go_template(model: &Model, prompt: &Prompt, reader: &Reader) -> Option<String> {
    let writer = match prompt {
        Prompt::Raw(_) => None,
        Prompt::Gap(gap) => Some(&gap.writer),
        Prompt::Chat(chat) => Some(&chat.writer),
    };
    let is_used = writer == Some(&Writer::Go) || *reader == Reader::Go;
    model.template.clone().filter(|_| is_used)
}

/// The engine's form of `format`.
fn shape(field: Option<&Value>) -> Result<Option<wire::Format>, ApiError> {
    Ok(match format::read(field)? {
        Format::Free => None,
        Format::Json => Some(wire::Format::Json),
        Format::Schema(schema) => Some(wire::Format::Schema(text_of(schema))),
    })
}
