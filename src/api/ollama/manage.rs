//! `POST /api/copy` and `DELETE /api/delete` (the behaviour page, section 1.5).

use std::sync::Arc;

use serde::Deserialize;

use super::error::ApiError;
use crate::api::json::{self, Request, quote};
use crate::api::{Answer, App, Outcome};
use crate::model::Name;
use crate::model::name::{NameError, Requested, Source};
use crate::store::StoreError;

/// Body of `/api/copy`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CopyRequest {
    source: String,
    destination: String,
}

impl Request for CopyRequest {
    const NAME: &'static str = "CopyRequest";
}

/// Body of `/api/delete`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeleteRequest {
    model: String,
    /// The same, as it was called before.
    name: String,
}

impl Request for DeleteRequest {
    const NAME: &'static str = "DeleteRequest";
}

/// Gives a model a second name.
pub fn copy(app: Arc<App>, mut body: Vec<u8>) -> Outcome {
    let request: CopyRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let read = |what: &str, text: &str| {
        let invalid = |_| ApiError::new(400, format!("{what} {} is invalid", quote(text)));
        text.parse::<Name>().map_err(invalid)
    };
    let (source, destination) = match (read("source", &request.source), read("destination", &request.destination)) {
        (Ok(source), Ok(destination)) => (source, destination),
        (Err(error), _) | (_, Err(error)) => return error.into(),
    };
    Outcome::Worker(Box::new(move || {
        let done = app.store.copy(&source, &destination);
        finish(done, || ApiError::new(404, format!("model {} not found", quote(&request.source))))
    }))
}

/// Removes a model and what only it had. One that is loaded stays loaded.
pub fn delete(app: Arc<App>, mut body: Vec<u8>) -> Outcome {
    let request: DeleteRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let text = if request.model.is_empty() { request.name } else { request.model };
    let name = match text.parse::<Requested>() {
        // A model that runs elsewhere has its entry under the whole name, with the word that says so.
        Ok(Requested { source: Source::Cloud, .. }) => text.trim().parse::<Name>(),
        Ok(requested) => Ok(requested.name),
        Err(error) => Err(error),
    };
    let name = match name {
        Ok(name) => name,
        Err(NameError::Invalid) => return ApiError::new(400, format!("name {} is invalid", quote(&text))).into(),
        Err(error) => return ApiError::new(400, error.to_string()).into(),
    };
    Outcome::Worker(Box::new(move || finish(app.store.delete(&name), || ApiError::model_not_found(&text))))
}

/// 200 without a body, or why not.
fn finish(done: Result<bool, StoreError>, missing: impl FnOnce() -> ApiError) -> Outcome {
    match done {
        Ok(true) => Outcome::Answer(Answer::empty(200)),
        Ok(false) => missing().into(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a model could not be copied or deleted");
            ApiError::new(500, error.to_string()).into()
        }
    }
}
