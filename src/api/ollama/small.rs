//! `/api/version`, `/api/tags` and `/api/ps` (the behaviour page, sections 1.1 to 1.3).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::complete::details;
use super::error::ApiError;
use super::replies::{PsModel, PsReply, TagsDetails, TagsModel, TagsReply, VersionReply};
use super::time;
use crate::api::{Answer, App, Outcome};
use crate::engine::wire::Loaded;
use crate::store::Model;

/// How far away "never" is: Go's longest duration, about 292 years, as Ollama shows it.
const FOREVER_NS: i64 = i64::MAX;
/// How long the engine may take to say what is loaded, before the last list that it sent has to do.
const LOADED_WITHIN: Duration = Duration::from_millis(250);

/// Which version of the API this is.
pub fn version() -> Answer {
    Answer::json(&VersionReply { version: env!("CARGO_PKG_VERSION").into() })
}

/// The models in the store, the newest first.
pub fn tags(app: Arc<App>) -> Outcome {
    Outcome::Worker(Box::new(move || {
        let zone = TimeZone::system();
        let models = match app.store.refresh() {
            Ok(index) => index.list(),
            Err(error) => {
                tracing::error!(%error, "the models could not be listed");
                return Outcome::from(ApiError::new(500, error.to_string()));
            }
        };
        let reply = TagsReply { models: models.iter().map(|model| tags_line(model, &zone)).collect() };
        Outcome::Answer(Answer::json(&reply))
    }))
}

fn tags_line(model: &Model, zone: &TimeZone) -> TagsModel {
    let name = model.name.to_string();
    let modified = Timestamp::try_from(model.modified).unwrap_or(Timestamp::UNIX_EPOCH);
    TagsModel {
        model: name.clone(),
        name,
        modified_at: time::local(modified, zone),
        size: model.size(),
        digest: model.digest.hex(),
        details: TagsDetails {
            details: details(&model.details),
            context_length: model.details.context_length,
            embedding_length: model.details.embedding_length,
        },
        capabilities: model.capabilities.clone(),
    }
}

/// The loaded models, the one that stays longest first.
pub fn ps(app: Arc<App>) -> Outcome {
    Outcome::Worker(Box::new(move || {
        let zone = TimeZone::system();
        let mut loaded = app.engine.loaded(LOADED_WITHIN);
        loaded.sort_by_key(|model| std::cmp::Reverse(model.expires_unix_ns.unwrap_or(i64::MAX)));
        let models = loaded.iter().map(|model| ps_line(model, &zone)).collect();
        Outcome::Answer(Answer::json(&PsReply { models }))
    }))
}

fn ps_line(loaded: &Loaded, zone: &TimeZone) -> PsModel {
    let forever = || Timestamp::now().as_nanosecond() + i128::from(FOREVER_NS);
    let expires = loaded.expires_unix_ns.map_or_else(forever, i128::from);
    let expires = Timestamp::from_nanosecond(expires).unwrap_or(Timestamp::MAX);
    PsModel {
        name: loaded.model.name.clone(),
        model: loaded.model.name.clone(),
        size: loaded.bytes,
        digest: loaded.model.digest.clone(),
        details: crate::engine::wire::Details { parent_model: String::new(), ..loaded.model.details.clone() },
        expires_at: time::local(expires, zone),
        size_vram: loaded.gpu_bytes,
        context_length: loaded.context,
    }
}
