//! olmo3, olmo3.1 and the olmo3 thinkers.

use super::calls::python;
use super::json::Json;
use super::out::Out;
use super::{Conversation, chatml};
use crate::model::Message;

/// Who olmo3 is when nobody says.
pub(super) const OLMO3: &str = "You are a helpful function-calling AI assistant. ";
/// Who olmo3.1 is when nobody says.
pub(super) const OLMO31: &str = "You are Olmo, a helpful AI assistant built by Ai2. Your date cutoff is December 2024, and your model weights are available at https://huggingface.co/allenai. ";
/// Who the larger thinker is when nobody says.
pub(super) const OLMO3_32B: &str = "You are a helpful AI assistant.";

const NO_FUNCTIONS: &str = "You do not currently have access to any functions. ";
const FUNCTIONS: &str = "You are provided with function signatures within <functions></functions> XML tags. You may call one or more functions to assist with the user query. Output any function calls within <function_calls></function_calls> XML tags. Do not make assumptions about what values to plug into functions.";

/// The first system message counts wherever it stands; `default` takes its place.
pub(super) fn olmo(out: &mut Out, conversation: &Conversation<'_>, default: &str) {
    let system = system(conversation);
    out.puts([chatml::START, "system\n", system.unwrap_or(default)]);
    match (system, conversation.tools) {
        (Some(_), []) => {}
        (None, []) => out.puts([NO_FUNCTIONS, "<functions></functions>"]),
        (_, tools) => {
            out.puts([if system.is_some() { "" } else { FUNCTIONS }, "<functions>"]);
            Json::Spaced.put(out, &tools);
            out.put("</functions>");
        }
    }
    out.put(chatml::END);

    let turns = || conversation.messages.iter().filter(|message| message.role != "system");
    let last = turns().count().saturating_sub(1);
    for (at, message) in turns().enumerate() {
        match message.role.as_str() {
            "user" => chatml::turn(out, "user", &message.content),
            "tool" => chatml::turn(out, "environment", &message.content),
            "assistant" => {
                out.puts([chatml::ANSWER, &message.content]);
                put_calls(out, message);
                if at < last || !message.tool_calls.is_empty() {
                    out.put(chatml::END);
                }
            }
            _ => {}
        }
    }
    let goes_on = |last: &Message| last.role == "assistant" && last.tool_calls.is_empty() && !last.content.is_empty();
    if !turns().next_back().is_some_and(goes_on) {
        out.put(chatml::ANSWER);
    }
}

fn put_calls(out: &mut Out, message: &Message) {
    if message.tool_calls.is_empty() {
        return;
    }
    let mut first = true;
    out.put("<function_calls>");
    for call in &message.tool_calls {
        out.separate(&mut first, "\n");
        python(out, &call.function, Json::Compact, ", ");
    }
    out.put("</function_calls>");
}

/// The thinkers know neither tools nor going on with an answer, and always think.
pub(super) fn thinker(out: &mut Out, conversation: &Conversation<'_>, default: &str) {
    out.puts([chatml::START, "system\n"]);
    match system(conversation) {
        Some(system) => out.puts([system, " ", NO_FUNCTIONS, "<functions></functions>"]),
        None => out.put(default.trim_end()),
    }
    out.put(chatml::END);
    for message in conversation.messages {
        if let "user" | "assistant" = message.role.as_str() {
            chatml::turn(out, &message.role, &message.content);
        }
    }
    out.puts([chatml::ANSWER, "<think>"]);
}

fn system<'a>(conversation: &Conversation<'a>) -> Option<&'a str> {
    let mut messages = conversation.messages.iter();
    messages.find(|message| message.role == "system").map(|message| message.content.as_str())
}
