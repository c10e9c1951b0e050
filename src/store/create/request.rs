//! The request of a create, and what can be checked without the store (the behaviour page, section 6.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::model::modelfile::Parts;
use crate::model::{Message, Modelfile, Name, json};
use crate::store::create::error::CreateError;

/// The request's body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// Name of the new model.
    #[serde(deserialize_with = "json::or_default")]
    pub model: String,
    /// The same, as it was called before.
    #[serde(deserialize_with = "json::or_default")]
    pub name: String,
    /// Whether to tell the steps, or the outcome only; `None`: yes.
    pub stream: Option<bool>,
    /// Name of a model to start from.
    #[serde(deserialize_with = "json::or_default")]
    pub from: String,
    /// Paths, as the client has them, and digests.
    pub files: Option<BTreeMap<String, String>>,
    /// The text of a Modelfile, in requests of former times; a field beside it wins over the same in it.
    #[serde(deserialize_with = "json::or_default")]
    pub modelfile: String,
    /// The path of a Modelfile on the server, in older requests still.
    #[serde(deserialize_with = "json::or_default")]
    pub path: String,
    /// A Go template.
    #[serde(deserialize_with = "json::or_default")]
    pub template: String,
    /// The system message.
    #[serde(deserialize_with = "json::or_default")]
    pub system: String,
    /// Licences.
    #[serde(deserialize_with = "json::or_default")]
    pub license: Licenses,
    /// Options. Not checked, as in Ollama.
    #[serde(deserialize_with = "json::or_default")]
    pub parameters: Map<String, Value>,
    /// Messages that every conversation starts with.
    #[serde(deserialize_with = "json::or_default")]
    pub messages: Vec<Message>,
    /// Quantization to convert the weights to.
    #[serde(deserialize_with = "json::or_default")]
    pub quantize: String,
    /// The same, by another name.
    #[serde(deserialize_with = "json::or_default")]
    pub quantization: String,
    /// A built-in renderer.
    #[serde(deserialize_with = "json::or_default")]
    pub renderer: String,
    /// A built-in parser.
    #[serde(deserialize_with = "json::or_default")]
    pub parser: String,
    /// Oldest version that runs it.
    #[serde(deserialize_with = "json::or_default")]
    pub requires: String,
    /// Overrides for what the files say.
    #[serde(deserialize_with = "json::or_default")]
    pub info: Map<String, Value>,
    /// Adapters of the weights, as `files`.
    pub adapters: Option<BTreeMap<String, String>>,
    /// A draft model, as `files`.
    pub draft_files: Option<BTreeMap<String, String>>,
    /// Quantization of the draft model.
    #[serde(deserialize_with = "json::or_default")]
    pub draft_quantize: String,
    /// Server of a model that runs elsewhere.
    #[serde(deserialize_with = "json::or_default")]
    pub remote_host: String,
}

/// One licence or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Licenses(pub Vec<String>);

impl<'de> Deserialize<'de> for Licenses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("license must be a string or an array of strings");
        let texts = match Value::deserialize(deserializer)? {
            Value::String(text) if text.is_empty() => return Ok(Self::default()),
            one @ Value::String(_) => vec![one],
            Value::Array(texts) => texts,
            _ => return Err(wrong()),
        };
        let texts = texts.into_iter().map(|text| match text {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

/// A request that has passed the checks which come before anything is streamed.
#[derive(Debug)]
pub struct Plan {
    pub(super) name: Name,
    pub(super) request: CreateRequest,
}

impl CreateRequest {
    /// Checks what can be checked without the store, in Ollama's order.
    ///
    /// # Errors
    /// A path, digest, name or Modelfile that is not valid, or something that is not supported yet.
    pub fn check(mut self) -> Result<Plan, CreateError> {
        self.take_modelfile()?;
        for (path, digest) in self.files.iter().chain(&self.draft_files).flatten() {
            if !is_relative(path) {
                return Err(CreateError::Path);
            }
            if digest.is_empty() {
                return Err(CreateError::Digest);
            }
        }
        let has = |files: &Option<BTreeMap<_, _>>| files.as_ref().is_some_and(|files| !files.is_empty());
        if !self.draft_quantize.is_empty() && !has(&self.draft_files) {
            return Err(CreateError::NoDraft);
        }
        if self.adapters.iter().flatten().any(|(_, digest)| digest.is_empty()) {
            return Err(CreateError::Digest);
        }
        let name = if self.model.is_empty() { &self.name } else { &self.model };
        let name = name.parse()?;
        // Quietly leaving one of them out would make another model than was asked for.
        let not_yet = [
            (has(&self.adapters), "an adapter of the weights ('adapters')"),
            (has(&self.draft_files), "a draft model ('draft_files')"),
            (!self.remote_host.is_empty(), "a model that runs elsewhere ('remote_host')"),
        ];
        match not_yet.into_iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(CreateError::Unsupported(what)),
            None => Ok(Plan { name, request: self }),
        }
    }

    /// Puts the parts of `modelfile` where no field says otherwise.
    fn take_modelfile(&mut self) -> Result<(), CreateError> {
        if self.modelfile.is_empty() {
            return if self.path.is_empty() { Ok(()) } else { Err(CreateError::ServerPath) };
        }
        let parts = self.modelfile.parse::<Modelfile>()?.parts()?;
        for name in &parts.deprecated {
            tracing::warn!("the parameter {name} of a Modelfile is deprecated and left out");
        }
        self.take_sources(&parts)?;
        let text = |field: &mut String, part: Option<String>| {
            if field.is_empty() {
                *field = part.unwrap_or_default();
            }
        };
        text(&mut self.template, parts.template);
        text(&mut self.system, parts.system);
        text(&mut self.renderer, parts.renderer);
        text(&mut self.parser, parts.parser);
        text(&mut self.requires, parts.requires);
        if self.license.0.is_empty() {
            self.license.0 = parts.licenses;
        }
        if self.messages.is_empty() {
            self.messages = parts.messages;
        }
        for (name, value) in parts.parameters {
            self.parameters.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// What FROM, ADAPTER and DRAFT name: a model, or a blob as `@sha256:…`.
    fn take_sources(&mut self, parts: &Parts) -> Result<(), CreateError> {
        if !parts.adapters.is_empty() {
            return Err(CreateError::Unsupported("an adapter of the weights (ADAPTER)"));
        }
        if !parts.drafts.is_empty() {
            return Err(CreateError::Unsupported("a draft model (DRAFT)"));
        }
        if !self.from.is_empty() || self.files.is_some() {
            return Ok(());
        }
        for (number, from) in parts.from.iter().enumerate() {
            if let Some(digest) = from.strip_prefix('@') {
                let files = self.files.get_or_insert_default();
                files.insert(format!("{number}.gguf"), digest.to_owned());
            } else if from.parse::<Name>().is_ok() {
                self.from.clone_from(from);
            } else {
                return Err(CreateError::ClientFile(from.clone()));
            }
        }
        Ok(())
    }
}

/// Go's `fs.ValidPath`: parts between single slashes, none of them `.` or `..`; or `.` alone.
fn is_relative(path: &str) -> bool {
    path == "." || path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
