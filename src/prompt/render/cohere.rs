//! cohere: Command A's turns, with tools, calls and results as JSON between the blanks of its Jinja template.

use std::collections::HashMap;

use super::json::Json;
use super::out::Out;
use super::{Conversation, place_of_result};
use crate::model::{Message, Tool};

/// The token that begins a text.
pub(super) const BOS: &str = "<BOS_TOKEN>";

const TURN: &str = "<|START_OF_TURN_TOKEN|>";
const END: &str = "<|END_OF_TURN_TOKEN|>";
const END_OF_TEXT: &str = "<|END_TEXT|><|END_OF_TURN_TOKEN|>";
const SYSTEM: &str = "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>";
const ANSWER: &str = "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>";
const TEXT: &str = "<|START_TEXT|>";
const THOUGHTS: &str = "<|START_THINKING|>";
const END_OF_THOUGHTS: &str = "<|END_THINKING|>";

/// Calls are numbered through the conversation; results go by the numbers.
#[derive(Default)]
struct Calls<'a> {
    count: usize,
    numbers: HashMap<&'a str, usize>,
}

pub(super) fn cohere(out: &mut Out, conversation: &Conversation<'_>) {
    let (system, messages) = conversation.leading_system();
    put_system(out, system.unwrap_or_default(), conversation.tools);
    let mut calls = Calls::default();
    for (at, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "system" => out.puts([SYSTEM, TEXT, &message.content, END_OF_TEXT]),
            "user" => out.puts([TURN, "<|USER_TOKEN|>", TEXT, &message.content, END_OF_TEXT]),
            "assistant" | "chatbot" if message.tool_calls.is_empty() => {
                out.put(ANSWER);
                put_thoughts(out, message);
                out.puts([TEXT, &message.content]);
                if at + 1 == messages.len() {
                    // It is gone on with.
                    return;
                }
                out.put(END_OF_TEXT);
            }
            "assistant" | "chatbot" => put_calls(out, message, &mut calls),
            "tool" => {
                let place = place_of_result(messages, at);
                if place.is_first {
                    out.puts([SYSTEM, "<|START_TOOL_RESULT|>["]);
                }
                put_result(out, message, &calls);
                out.put(if place.is_last { "\n\n]<|END_TOOL_RESULT|><|END_OF_TURN_TOKEN|>" } else { "," });
            }
            _ => {}
        }
    }
    out.puts([ANSWER, THOUGHTS, if conversation.thinks(true) { "" } else { END_OF_THOUGHTS }]);
}

/// The first turn, which lists the tools even when there are none.
fn put_system(out: &mut Out, system: &str, tools: &[Tool]) {
    let after = if system.is_empty() { "" } else { "\n\n\n\n" };
    out.puts([SYSTEM, TEXT, system, after, "# Available Tools\n```json\n[\n"]);
    if tools.is_empty() {
        out.put("\n\n");
    }
    for (at, tool) in tools.iter().enumerate() {
        out.put("\n    {\"name\": ");
        Json::Compact.put(out, &tool.function.name);
        out.put(", \"description\": ");
        Json::Compact.put(out, &tool.function.description);
        out.put(", \"parameters\": ");
        Json::Spaced.put(out, &tool.function.parameters);
        out.puts([", \"responses\": null}", if at + 1 < tools.len() { "," } else { "" }, "\n\n"]);
    }
    out.puts(["\n]\n```", END_OF_TEXT]);
}

fn put_thoughts(out: &mut Out, message: &Message) {
    if !message.thinking.is_empty() {
        out.puts([THOUGHTS, &message.thinking, END_OF_THOUGHTS]);
    }
}

fn put_calls<'a>(out: &mut Out, message: &'a Message, calls: &mut Calls<'a>) {
    out.puts([ANSWER, "\n            \n                "]);
    put_thoughts(out, message);
    let mut first = true;
    out.put("<|START_ACTION|>[");
    for call in &message.tool_calls {
        let number = calls.count;
        calls.count += 1;
        if !call.id.is_empty() {
            calls.numbers.entry(&call.id).or_insert(number);
        }
        out.separate(&mut first, ",");
        out.puts(["\n\n    {\"tool_call_id\": \"", &number.to_string(), "\", \"tool_name\": \""]);
        out.puts([&call.function.name, "\", \"parameters\": "]);
        Json::Spaced.put_arguments(out, &call.function.arguments);
        out.put("}");
    }
    out.puts(["\n\n]<|END_ACTION|>", END]);
}

fn put_result(out: &mut Out, message: &Message, calls: &Calls<'_>) {
    let number = calls.numbers.get(message.tool_call_id.as_str()).map(usize::to_string);
    let id = number.as_ref().unwrap_or(&message.tool_call_id);
    out.puts([
        "\n    {\n        \"tool_call_id\": \"",
        id,
        "\",\n        \"results\": {\n\n            \n            \"0\": ",
    ]);
    out.put("{\"content\": ");
    Json::Spaced.put(out, &message.content);
    out.put("}\n\n        },\n        \"is_error\": null\n    }");
}
