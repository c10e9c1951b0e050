//! From the name in a request to the model in the store, with Ollama's errors on the way
//! (the behaviour page, sections 0.10, 1.10 and 1.11).

use std::sync::Arc;

use super::error::ApiError;
use crate::api::{App, Outcome};
use crate::model::name::{NameError, Requested, Source};
use crate::store::Model;

/// Where a lookup stands.
enum Found {
    /// The index knows, one way or the other.
    Known(Result<Arc<Model>, ApiError>),
    /// Files have to be looked at.
    Unknown(Requested),
}

/// Finds the model called `name` and goes on with `then`: at once when the index knows it, else on a worker.
pub fn with_model<F>(app: &Arc<App>, raw: String, name: &str, then: F) -> Outcome
where
    F: FnOnce(&App, &Arc<Model>) -> Result<Outcome, ApiError> + Send + 'static,
{
    match start(app, &raw, name) {
        Found::Known(Ok(model)) => then(app, &model).unwrap_or_else(Outcome::from),
        Found::Known(Err(error)) => Outcome::from(error),
        Found::Unknown(requested) => {
            let app = app.clone();
            Outcome::Worker(Box::new(move || match app.store.resolve(&requested.name) {
                Ok(Some(model)) => then(&app, &model).unwrap_or_else(Outcome::from),
                Ok(None) => Outcome::from(ApiError::model_not_found(&raw)),
                Err(error) => {
                    tracing::error!(%error, model = raw, "a model could not be read");
                    Outcome::from(ApiError::new(500, error.to_string()))
                }
            }))
        }
    }
}

fn start(app: &App, raw: &str, name: &str) -> Found {
    let requested: Requested = match name.parse() {
        Ok(requested) => requested,
        Err(error @ NameError::TwoSources(_)) => return Found::Known(Err(ApiError::new(400, error.to_string()))),
        Err(NameError::Empty) => return Found::Known(Err(ApiError::model_not_found(raw))),
        Err(_) => return Found::Known(Err(ApiError::invalid_model_name())),
    };
    if requested.source == Source::Cloud {
        let why = "ollama cloud is disabled: remote model is unavailable";
        return Found::Known(Err(ApiError::new(403, why)));
    }
    match app.store.lookup(&requested.name) {
        Some(model) => Found::Known(Ok(model)),
        None => Found::Unknown(requested),
    }
}
