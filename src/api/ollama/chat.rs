//! `POST /api/chat` (the behaviour page, sections 1.11 and 2).

use std::sync::Arc;

use super::complete::{self, Asked};
use super::error::ApiError;
use super::lookup::with_model;
use super::types::{ChatRequest, Message, Purpose};
use crate::api::{App, Call, Outcome, json};
use crate::engine::wire::{Dialect, Prompt};
use crate::store::Model;

/// Answers a request.
pub fn handle(app: &Arc<App>, mut body: Vec<u8>, call: Call) -> Outcome {
    let request: ChatRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let name = match request.check_body().and_then(|()| request.name().map(str::to_owned)) {
        Ok(name) => name,
        Err(error) => return error.into(),
    };
    with_model(app, request.model.clone(), &name, move |app, model| answer(app, model, request, call))
}

fn answer(app: &App, model: &Arc<Model>, request: ChatRequest, call: Call) -> Result<Outcome, ApiError> {
    let purpose = request.purpose();
    if purpose == Purpose::Complete {
        refuse_later_work(&request, model)?;
    }
    let prompt = prompt(&request, model);
    complete::submit(
        app,
        model,
        call,
        Asked {
            dialect: Dialect::Chat,
            purpose,
            model: request.model,
            stream: request.stream.unwrap_or(true),
            format: request.format,
            options: request.options,
            keep_alive: request.keep_alive,
            think: request.think,
            truncate: request.truncate.unwrap_or(true),
            shift: request.shift,
            logprobs: request.logprobs,
            top_logprobs: request.top_logprobs,
            render_only: request.debug_render_only,
            context: Vec::new(),
            reply_context: false,
            prompt,
        },
    )
}

/// What needs work that is still to come is refused by name, not ignored.
fn refuse_later_work(request: &ChatRequest, model: &Model) -> Result<(), ApiError> {
    if !request.tools.is_empty() {
        return Err(complete::missing(model, "tools"));
    }
    if request.messages.iter().any(|message| !message.images.is_empty()) {
        return Err(complete::missing(model, "vision"));
    }
    Ok(())
}

/// The model's own messages, then the request's; the model's system message in front unless the request begins with
/// one (section 2.2).
fn prompt(request: &ChatRequest, model: &Model) -> Prompt {
    let mut messages = Vec::new();
    let has_system = request.messages.first().is_some_and(|first| first.role == "system");
    if let Some(system) = model.system.as_deref().filter(|system| !has_system && !system.is_empty()) {
        messages.push(Message::new("system", system));
    }
    messages.extend(model.messages.iter().map(|message| Message::new(&message.role, &message.content)));
    messages.extend_from_slice(&request.messages);
    complete::messages(&messages)
}
