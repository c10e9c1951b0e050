//! `POST /api/create` (the behaviour page, section 6).

use std::sync::Arc;

use super::error::ApiError;
use crate::api::json::{self, Request};
use crate::api::{App, Outcome, StepJob};
use crate::convert::{Kind, Progress};
use crate::model::Digest;
use crate::store::{Converted, CreateError, CreateRequest, Listener, Step, Tools};
use crate::worker::{Quantized, WorkError};

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
    if request.modelfile.is_empty() {
        return begin(app, request);
    }
    // Taking a Modelfile apart may take longer than a network core should stand still.
    Outcome::Worker(Box::new(move || begin(app, request)))
}

fn begin(app: Arc<App>, request: CreateRequest) -> Outcome {
    let streams = request.stream.unwrap_or(true);
    let plan = match request.check() {
        Ok(plan) => plan,
        Err(error) => return refusal(&error).into(),
    };
    Outcome::Steps(StepJob::new(streams, move |teller| {
        plan.run(&app.store, &Workers(&app), teller).map_err(|error| refusal(&error))
    }))
}

fn refusal(error: &CreateError) -> ApiError {
    if error.is_ours() {
        tracing::error!(error = error as &dyn std::error::Error, "a model was not made");
    }
    ApiError::new(error.status(), error.to_string())
}

/// Weights are tried out and converted by worker processes.
struct Workers<'a>(&'a App);

impl Tools for Workers<'_> {
    fn probe(&self, weights: Digest, listener: &mut dyn Listener) -> Result<(), CreateError> {
        let App { store, workshop, .. } = self.0;
        let task = workshop.probe(store, weights).map_err(failure)?;
        task.wait(|_| !listener.is_gone()).map(|_| ()).map_err(failure)
    }

    fn quantize(
        &self,
        weights: Digest,
        kind: Kind,
        step: &Step,
        listener: &mut dyn Listener,
    ) -> Result<Converted, CreateError> {
        let App { store, workshop, .. } = self.0;
        let task = workshop.quantize(store, weights, kind).map_err(failure)?;
        let made = task.wait(|progress| {
            if let Some(Progress { completed, total }) = progress {
                listener.tell(Step { total, completed, ..step.clone() });
            }
            !listener.is_gone()
        });
        let Quantized { digest, bytes, is_new, facts } = made.map_err(failure)?;
        Ok(Converted { digest, bytes, is_new, facts })
    }
}

fn failure(error: WorkError) -> CreateError {
    match error {
        WorkError::Stopped => CreateError::Cancelled,
        WorkError::NoBlob(digest) => CreateError::NoBlob(digest),
        WorkError::Store(error) => CreateError::Blob(error),
        error => CreateError::Weights { status: error.status(), reason: error.to_string() },
    }
}
