//! qwen3-vl-instruct and qwen3-vl-thinking: tools and calls as JSON, images, thinking of the current turn.

use std::borrow::Cow;

use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::{Conversation, chatml, place_of_result};
use crate::model::{Message, ToolCall};

/// `thinks`: what it does when the request does not say.
pub(super) fn vl(out: &mut Out, conversation: &Conversation<'_>, thinks: bool) {
    let thinks = conversation.thinks(thinks);
    system(out, conversation);
    let messages = conversation.messages;
    let mut images = Images::default();
    let contents: Vec<_> = messages.iter().map(|message| images.mark(message)).collect();
    let question = last_question(messages, &contents, |content| content);
    for (at, (message, content)) in messages.iter().zip(&contents).enumerate() {
        match message.role.as_str() {
            "system" if at == 0 => {}
            "user" | "system" => chatml::turn(out, &message.role, content),
            "assistant" => {
                let turn = Answer { message, content, is_last: at + 1 == messages.len() };
                turn.put(out, thinks && at > question);
            }
            "tool" => chatml::tool_result(out, content, place_of_result(messages, at)),
            _ => {}
        }
    }
    if messages.last().is_some_and(|last| last.role != "assistant") {
        out.put(chatml::ANSWER);
        if thinks {
            out.put("<think>\n");
        }
    }
}

/// The place of the last question of the user that is not the result of a tool; without any, that of the last message.
pub(super) fn last_question<M: std::borrow::Borrow<Message>>(
    messages: &[M],
    contents: &[Cow<'_, str>],
    trim: fn(&str) -> &str,
) -> usize {
    let mut from_the_end = messages.iter().zip(contents).enumerate().rev();
    let found = from_the_end.find(|(_, (message, content))| {
        let message: &Message = (*message).borrow();
        message.role == "user" && !chatml::is_tool_response(trim(content))
    });
    found.map_or(messages.len().saturating_sub(1), |(at, _)| at)
}

fn system(out: &mut Out, conversation: &Conversation<'_>) {
    let (system, _) = conversation.leading_system();
    if conversation.tools.is_empty() {
        if let Some(system) = system {
            chatml::turn(out, "system", system);
        }
        return;
    }
    out.puts([chatml::START, "system\n"]);
    if let Some(system) = system {
        out.puts([system, "\n\n"]);
    }
    out.put(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>",
    );
    for tool in conversation.tools {
        out.put("\n");
        Json::Spaced.put(out, tool);
    }
    out.put(
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within \
         <tool_call></tool_call> XML tags:\n<tool_call>\n\
         {\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>",
    );
    out.put(chatml::END);
}

/// An answer that came before, or the beginning of the one to come.
struct Answer<'a> {
    message: &'a Message,
    content: &'a str,
    is_last: bool,
}

impl Answer<'_> {
    fn put(&self, out: &mut Out, with_thoughts: bool) {
        let thinking = &self.message.thinking;
        out.put(chatml::ANSWER);
        if with_thoughts && (self.is_last || !thinking.is_empty()) {
            out.puts(["<think>\n", thinking.trim_matches('\n')]);
            if !self.content.is_empty() {
                out.puts(["\n</think>\n\n", self.content.trim_start_matches('\n')]);
            }
        } else {
            out.put(self.content);
        }
        let mut first = self.content.is_empty();
        for call in &self.message.tool_calls {
            out.separate(&mut first, "\n");
            put_call(out, call);
        }
        if !self.is_last {
            out.put(chatml::END);
        }
    }
}

fn put_call(out: &mut Out, call: &ToolCall) {
    out.puts(["<tool_call>\n{\"name\": \"", &call.function.name, "\", \"arguments\": "]);
    Json::Spaced.put_arguments(out, &call.function.arguments);
    out.put("}\n</tool_call>");
}
