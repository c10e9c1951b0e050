//! `POST /api/show` (the behaviour page, sections 1.4 and 6.8).

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::complete::details;
use super::error::ApiError;
use super::time;
use crate::api::answer::Answer;
use crate::api::json::{self, Request, free, quote};
use crate::api::{App, Outcome};
use crate::engine::wire::Details;
use crate::model::capabilities::DEFAULT_TEMPLATE;
use crate::model::gguf::{Arrays, Gguf, Info, Tensor};
use crate::model::modelfile::{Stored, parameters_text};
use crate::model::name::{NameError, Requested, Source};
use crate::model::{Message, Modelfile};
use crate::store::{Model, Store};

/// The request's body. `template` is ignored, as in Ollama.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShowRequest {
    /// Name of the model.
    pub model: String,
    /// The same, as it was called before.
    pub name: String,
    /// Shown in the place of the model's own.
    pub system: String,
    /// Whether the arrays of the GGUF's header are wanted, vocabularies among them.
    pub verbose: bool,
    /// Options that go over the model's in the text of the Modelfile.
    #[serde(deserialize_with = "free::object")]
    pub options: Map<String, Value>,
}

impl Request for ShowRequest {
    const NAME: &'static str = "ShowRequest";
    const GO_TYPES: &'static [(&'static str, &'static str)] = &[("options", "map[string]interface {}")];
}

/// The answer, its fields in Ollama's order.
#[derive(Serialize)]
struct ShowReply<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    license: String,
    modelfile: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    template: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ShownMessage<'a>>,
    model_info: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projector_info: Option<Info<'a>>,
    #[serde(skip_serializing_if = "<[Tensor]>::is_empty")]
    tensors: &'a [Tensor],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    modified_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires: Option<&'a str>,
}

/// Of a message, only this is shown.
#[derive(Serialize)]
struct ShownMessage<'a> {
    role: &'a str,
    content: &'a str,
}

/// What is known of the weights.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Header(Info<'a>),
    /// There is no GGUF. Clients trip over a null here.
    Nothing(Map<String, Value>),
}

/// Answers a request. `for_copilot`: it comes from GitHub Copilot, which looks at one key and wants its own name there.
pub fn handle(app: &Arc<App>, mut body: Vec<u8>, for_copilot: bool) -> Outcome {
    let request: ShowRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let asked = if request.model.is_empty() { request.name.clone() } else { request.model.clone() };
    if asked.is_empty() {
        return ApiError::model_required().into();
    }
    let requested: Requested = match asked.parse() {
        Ok(requested) => requested,
        Err(error @ NameError::TwoSources(_)) => return ApiError::new(400, error.to_string()).into(),
        Err(_) => return ApiError::invalid_model_name().into(),
    };
    if requested.source == Source::Cloud {
        return elsewhere().into();
    }
    let app = app.clone();
    Outcome::Worker(Box::new(move || {
        let asked_for = for_copilot.then_some(asked.as_str());
        match find(&app.store, &requested) {
            Ok(model) => {
                let shown = answer(&app.store, &model, &request, app.settings.go_templates, asked_for);
                shown.map_or_else(Outcome::from, Outcome::Answer)
            }
            Err(error) => error.into(),
        }
    }))
}

fn elsewhere() -> ApiError {
    ApiError::new(403, "ollama cloud is disabled: remote model details are unavailable")
}

fn find(store: &Store, requested: &Requested) -> Result<Arc<Model>, ApiError> {
    let found = match store.lookup(&requested.name) {
        Some(model) => Some(model),
        None => store.resolve(&requested.name).map_err(|error| ApiError::new(500, error.to_string()))?,
    };
    let model = found.ok_or_else(|| {
        // The name as it would be spelled, with its tag.
        ApiError::model_not_found(&store.index().spelling(&requested.name).to_string())
    })?;
    if model.config.remote_host.is_some() { Err(elsewhere()) } else { Ok(model) }
}

/// What is shown of `model`: JSON. Reads files.
///
/// # Errors
/// 500 when a blob cannot be read.
pub fn answer(
    store: &Store,
    model: &Model,
    request: &ShowRequest,
    go_templates: Option<bool>,
    asked_for: Option<&str>,
) -> Result<Answer, ApiError> {
    let arrays = if request.verbose { Arrays::Keep } else { Arrays::Skip };
    let header = model.weights.as_deref().map(|path| read(path, arrays)).transpose()?;
    let projector = model.projectors.first().map(|path| read(path, arrays)).transpose()?;
    let licenses = store.licenses(model).map_err(|error| {
        tracing::error!(%error, model = %model.name, "a licence could not be read");
        ApiError::new(500, "a part of the model cannot be read")
    })?;
    let subject = model.subject(go_templates);
    let system = if request.system.is_empty() { model.system.as_deref() } else { Some(request.system.as_str()) };
    let mut info = header.as_ref().map(Info::of_model);
    if let Some(name) = asked_for {
        info = info.map(|info| info.with_text("general.basename", name));
    }
    let mut shown = details(&model.details);
    shown.parent_model.clone_from(&model.details.parent_model);
    let modified = Timestamp::try_from(model.modified).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Answer::json(&ShowReply {
        modelfile: modelfile(model, request, system, &licenses),
        license: licenses.join("\n"),
        parameters: parameters_text(&model.params, quote),
        template: subject.template_text(),
        system: system.unwrap_or_default(),
        details: shown,
        messages: model.messages.iter().map(ShownMessage::of).collect(),
        model_info: info.map_or_else(|| Shown::Nothing(Map::new()), Shown::Header),
        projector_info: projector.as_ref().map(Info::of_projector),
        tensors: header.as_ref().map_or(&[], |header| header.tensors.as_slice()),
        capabilities: subject.shown(),
        modified_at: time::local(modified, &TimeZone::system()),
        requires: model.config.requires.as_deref().filter(|version| !version.is_empty()),
    }))
}

impl<'a> ShownMessage<'a> {
    fn of(message: &'a Message) -> Self {
        Self { role: &message.role, content: &message.content }
    }
}

/// The header of one of the model's files.
fn read(path: &Path, arrays: Arrays) -> Result<Gguf, ApiError> {
    let read = || -> Result<Gguf, crate::model::gguf::GgufError> {
        let file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        Gguf::read(file, bytes, arrays)
    };
    read().map_err(|error| {
        tracing::error!(%error, path = %path.display(), "a header could not be read");
        ApiError::new(500, error.to_string())
    })
}

fn modelfile(model: &Model, request: &ShowRequest, system: Option<&str>, licenses: &[String]) -> String {
    let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    let mut parameters = model.params.clone();
    parameters.extend(request.options.clone());
    let stored = Stored {
        weights: &model.weights.as_ref().map(text).unwrap_or_default(),
        adapters: &model.adapters.iter().map(text).collect::<Vec<_>>(),
        draft: None,
        projectors: &model.projectors.iter().map(text).collect::<Vec<_>>(),
        template: model.template.as_deref().unwrap_or(DEFAULT_TEMPLATE),
        system,
        renderer: model.config.renderer.as_deref(),
        parser: model.config.parser.as_deref(),
        parameters: &parameters,
        licenses,
        messages: &model.messages,
    };
    Modelfile::of(&stored).shown(&model.name.to_string())
}
