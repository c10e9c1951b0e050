//! `POST /api/create` (the behaviour page, section 6).

use std::sync::Arc;

use super::error::ApiError;
use crate::api::json::{self, Request};
use crate::api::{App, Outcome, StepJob};
use crate::store::{CreateError, CreateRequest};

impl Request for CreateRequest {
    const NAME: &'static str = "CreateRequest";
    const GO_TYPES: &'static [(&'static str, &'static str)] = &[
        ("files", "map[string]string"),
        ("adapters", "map[string]string"),
        ("draft_files", "map[string]string"),
        ("messages", "[]api.Message"),
        ("parameters", "map[string]interface {}"),
        ("info", "map[string]interface {}"),
    ];
}

/// Makes a model from blobs that were uploaded before, or from another model.
pub fn handle(app: Arc<App>, mut body: Vec<u8>) -> Outcome {
    let request: CreateRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let streams = request.stream.unwrap_or(true);
    let plan = match request.check() {
        Ok(plan) => plan,
        Err(error) => return refusal(&error).into(),
    };
    Outcome::Steps(StepJob::new(streams, move |teller| plan.run(&app.store, teller).map_err(|error| refusal(&error))))
}

fn refusal(error: &CreateError) -> ApiError {
    if error.is_ours() {
        tracing::error!(error = error as &dyn std::error::Error, "a model was not made");
    }
    ApiError::new(error.status(), error.to_string())
}
