//! `POST /api/chat` (the behaviour page, sections 1.11 and 2).

use std::sync::Arc;

use super::complete::{self, Asked, Manner};
use super::error::ApiError;
use super::lookup::with_model;
use super::types::{ChatRequest, Purpose};
use crate::api::{App, Call, Outcome, json};
use crate::engine::wire::{Chat, Dialect, Prompt, Writer};
use crate::model::Message;
use crate::model::capabilities::VISION;
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
    let abilities = model.abilities(app.settings.go_templates);
    let manner = if purpose == Purpose::Unload {
        Manner::default()
    } else {
        let tools = request.tools.as_deref().unwrap_or_default();
        Manner::of(model, abilities, Dialect::Chat, &request.model, request.think, tools)?
    };
    if request.messages.iter().any(|message| !message.images.is_empty()) {
        return Err(complete::missing(model, VISION));
    }
    let is_native = manner.writer == Writer::Gguf;
    let prompt = Prompt::Chat(Chat {
        messages: complete::text_of(&messages(request.messages, model)),
        tools: request.tools.as_deref().map(complete::text_of),
        writer: manner.writer,
        is_native,
    });
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
            think: manner.think,
            truncate: request.truncate.unwrap_or(true),
            shift: request.shift,
            logprobs: request.logprobs,
            top_logprobs: request.top_logprobs,
            render_only: request.debug_render_only,
            context: Vec::new(),
            reply_context: false,
            prompt,
            reader: manner.reader,
        },
    )
}

/// The model's own messages, then the request's; the model's system message in front unless the request begins with
/// one (section 2.2).
fn messages(asked: Vec<super::types::Message>, model: &Model) -> Vec<Message> {
    let has_system = asked.first().is_some_and(|first| first.role == "system");
    let system = complete::system(model.system.as_deref()).filter(|_| !has_system);
    let mut messages: Vec<Message> = system.into_iter().chain(model.messages.iter().cloned()).collect();
    messages.extend(asked.into_iter().map(Message::from));
    if model.config.model_family == "qwen3" || model.name.model() == "deepseek-r1" {
        forget_thinking(&mut messages);
    }
    messages
}

/// Takes the thinking out of the answers before the last question, where it stands in their text.
fn forget_thinking(messages: &mut [Message]) {
    let last_question = messages.iter().rposition(|message| message.role == "user").unwrap_or(0);
    for message in messages.iter_mut().take(last_question).filter(|message| message.role == "assistant") {
        let Some(thinking) = message.content.trim_start().strip_prefix("<think>") else { continue };
        let answer = thinking.split_once("</think>").map_or("", |(_, answer)| answer.trim_start());
        message.content = answer.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_before_the_last_question_is_forgotten() {
        let message = |role: &str, content: &str| Message {
            role: role.to_owned(),
            content: content.to_owned(),
            ..Message::default()
        };
        let thought = "\n<think>\nhm</think>\n\nok";
        let mut messages = [
            message("assistant", thought),
            message("user", thought),
            message("assistant", "a <think>b</think>"),
            message("assistant", "<think>cut off"),
            message("user", "x"),
            message("assistant", thought),
        ];
        forget_thinking(&mut messages);
        let contents: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(contents, ["ok", thought, "a <think>b</think>", "", "x", thought]);
    }
}
