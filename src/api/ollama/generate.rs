//! `POST /api/generate` (the behaviour page, sections 1.10 and 2).

use std::sync::Arc;

use super::complete::{self, Asked, Manner};
use super::error::ApiError;
use super::lookup::with_model;
use super::types::{GenerateRequest, Purpose};
use crate::api::{App, Call, Outcome, json};
use crate::engine::wire::{Chat, Dialect, Gap, Prompt, Reader, Writer};
use crate::model::Message;
use crate::model::capabilities::VISION;
use crate::store::{GoSide, Model};

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
    let abilities = model.abilities(app.settings.go_templates);
    let manner = if purpose == Purpose::Unload {
        Manner::default()
    } else {
        request.check_raw()?;
        Manner::of(model, abilities, Dialect::Generate, &request.model, request.think, &[])?
    };
    if !request.images.is_empty() {
        return Err(complete::missing(model, VISION));
    }
    // What fills a gap is no answer in a conversation: nothing of it is thinking, and its white space counts.
    let reader = if request.raw || !request.suffix.is_empty() { Reader::Nobody } else { manner.reader };
    let reply_context = !request.raw;
    let (prompt, context) = prompt(&request, model, manner.writer);
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
            think: manner.think,
            truncate: request.truncate.unwrap_or(true),
            shift: request.shift,
            logprobs: request.logprobs,
            top_logprobs: request.top_logprobs,
            render_only: request.debug_render_only,
            context,
            reply_context,
            prompt,
            reader,
        },
    )
}

/// The prompt, in the order of section 2.2: the request's system message replaces the model's, and the model's own
/// messages come in only where no `context` stands for what was said before. The `context` comes with it.
fn prompt(request: &GenerateRequest, model: &Model, writer: Writer) -> (Prompt, Vec<i32>) {
    let context = request.context.clone();
    let given = Some(&request.template).filter(|template| !template.is_empty()).cloned().map(Writer::Given);
    if request.raw {
        return (Prompt::Raw(request.prompt.clone()), context);
    }
    if !request.suffix.is_empty() {
        // Of a model's own ways to fill a gap its Go template comes first, even where chats go through Jinja.
        let own = if model.go_side.as_ref().is_some_and(GoSide::fills_in) { Writer::Go } else { Writer::Gguf };
        let gap = Gap {
            prompt: request.prompt.clone(),
            suffix: request.suffix.clone(),
            writer: given.unwrap_or(own),
            model: model.name.full(),
        };
        return (Prompt::Gap(gap), context);
    }
    let own = model.system.as_deref();
    let system = if request.system.is_empty() { own } else { Some(request.system.as_str()) };
    let mut messages: Vec<Message> = complete::system(system).into_iter().collect();
    if context.is_empty() {
        messages.extend_from_slice(&model.messages);
    }
    let content = request.prompt.clone();
    messages.push(Message { role: "user".to_owned(), content, ..Message::default() });
    let chat = Chat {
        messages: complete::text_of(&messages),
        // An empty list, as Ollama has it here.
        tools: given.is_none().then(|| "[]".to_owned()),
        writer: given.unwrap_or(writer),
        is_native: false,
    };
    (Prompt::Chat(chat), context)
}
