//! `POST /api/generate` (the behaviour page, sections 1.10 and 2).

use std::sync::Arc;

use super::complete::{self, Asked};
use super::error::ApiError;
use super::lookup::with_model;
use super::types::{GenerateRequest, Message, Purpose};
use crate::api::{App, Call, Outcome, json};
use crate::engine::wire::{Dialect, Prompt};
use crate::store::Model;

/// Answers a request.
pub fn handle(app: &Arc<App>, mut body: Vec<u8>, call: Call) -> Outcome {
    let request: GenerateRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return ApiError::from(error).into(),
    };
    let name = match request.check_body().and_then(|()| request.name().map(str::to_owned)) {
        Ok(name) => name,
        Err(error) => return error.into(),
    };
    with_model(app, request.model.clone(), &name, move |app, model| answer(app, model, request, call))
}

fn answer(app: &App, model: &Arc<Model>, request: GenerateRequest, call: Call) -> Result<Outcome, ApiError> {
    let purpose = request.purpose();
    if purpose == Purpose::Complete {
        request.check_raw()?;
        refuse_later_work(&request, model)?;
    }
    let prompt = prompt(&request, model);
    let reply_context = !request.raw;
    complete::submit(
        app,
        model,
        call,
        Asked {
            dialect: Dialect::Generate,
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
            context: request.context,
            reply_context,
            prompt,
        },
    )
}

/// What needs work that is still to come is refused by name, not ignored.
fn refuse_later_work(request: &GenerateRequest, model: &Model) -> Result<(), ApiError> {
    if !request.suffix.is_empty() {
        return Err(complete::missing(model, "insert"));
    }
    if !request.images.is_empty() {
        return Err(complete::missing(model, "vision"));
    }
    if !request.template.is_empty() {
        return Err(ApiError::new(400, "a Go template in the request is not supported yet: leave \"template\" out"));
    }
    Ok(())
}

/// The prompt, in the order of section 2.2: the request's system message replaces the model's, and the model's own
/// messages come in only where no `context` stands for what was said before.
fn prompt(request: &GenerateRequest, model: &Model) -> Prompt {
    let has_template = model.facts.as_ref().is_some_and(|facts| facts.chat_template.is_some());
    // Without any template Ollama's is the prompt itself (section 7.1).
    if request.raw || !has_template {
        return Prompt::Raw(request.prompt.clone());
    }
    let mut messages = Vec::new();
    let system = if request.system.is_empty() { model.system.as_deref() } else { Some(request.system.as_str()) };
    if let Some(system) = system.filter(|system| !system.is_empty()) {
        messages.push(Message::new("system", system));
    }
    if request.context.is_empty() {
        messages.extend(model.messages.iter().map(|message| Message::new(&message.role, &message.content)));
    }
    messages.push(Message::new("user", &request.prompt));
    complete::messages(&messages)
}
