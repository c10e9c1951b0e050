//! `POST /api/create` (the behaviour page, section 6).

use std::sync::Arc;

use serde::Serialize;

use super::error::ApiError;
use super::replies::{ErrorReply, StatusReply};
use crate::api::answer::{self, Answer};
use crate::api::json::{self, Request};
use crate::api::{App, Outcome};
use crate::store::{CreateError, CreateRequest};

impl Request for CreateRequest {
    const NAME: &'static str = "CreateRequest";
    const GO_TYPES: &'static [(&'static str, &'static str)] =
        &[("files", "map[string]string"), ("adapters", "map[string]string"), ("messages", "[]api.Message")];
}

/// Makes a model from blobs that were uploaded before.
pub fn handle(app: Arc<App>, mut body: Vec<u8>) -> Outcome {
    let request: CreateRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let stream = request.stream.unwrap_or(true);
    let plan = match request.check() {
        Ok(plan) => plan,
        Err(error) => return ApiError::new(error.status(), error.to_string()).into(),
    };
    Outcome::Worker(Box::new(move || {
        let mut lines = Vec::new();
        let mut last = StatusReply::default();
        let made = plan.run(&app.store, &mut |status| {
            last = StatusReply { status: status.to_owned(), ..StatusReply::default() };
            put_line(&mut lines, &last);
        });
        Outcome::Answer(reply(stream, lines, &last, made))
    }))
}

/// Every status line, or the last one alone; an error before the first line has a status of its own (section 0.6).
fn reply(stream: bool, mut lines: Vec<u8>, last: &StatusReply, made: Result<(), CreateError>) -> Answer {
    match made {
        Ok(()) if stream => Answer::lines(lines),
        Ok(()) => Answer { content_type: Some(answer::BARE_JSON), ..Answer::json(last) },
        Err(error) if lines.is_empty() || !stream => {
            Answer { content_type: Some(answer::BARE_JSON), ..Answer::error(error.status(), &error.to_string()) }
        }
        Err(error) => {
            put_line(&mut lines, &ErrorReply { error: error.to_string() });
            Answer::lines(lines)
        }
    }
}

fn put_line<T: Serialize>(lines: &mut Vec<u8>, value: &T) {
    // Statuses and errors are strings, which can always be written.
    let _ = json::append(lines, value);
    lines.push(b'\n');
}
