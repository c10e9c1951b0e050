//! deepseek3.1 and cogito: `DeepSeek`'s special tokens, each with a grammar of its own between them.

use super::json::Json;
use super::out::Out;
use super::{Conversation, place_of_result};
use crate::model::{Message, Tool, ToolCall};

/// The token that begins a text.
pub(super) const BOS: &str = "<｜begin▁of▁sentence｜>";

const EOS: &str = "<｜end▁of▁sentence｜>";
const USER: &str = "<｜User｜>";
const ASSISTANT: &str = "<｜Assistant｜>";
const CALLS: &str = "<｜tool▁calls▁begin｜>";
const CALL: &str = "<｜tool▁call▁begin｜>";
const SEPARATOR: &str = "<｜tool▁sep｜>";
const END_OF_CALL: &str = "<｜tool▁call▁end｜>";
const END_OF_CALLS: &str = "<｜tool▁calls▁end｜>";
const RESULT: &str = "<｜tool▁output▁begin｜>";
const END_OF_RESULT: &str = "<｜tool▁output▁end｜>";

/// System messages stand together in front, wherever they came.
pub(super) fn deepseek(out: &mut Out, conversation: &Conversation<'_>) {
    let thinks = conversation.thinks(false);
    out.put(BOS);
    let mut first = true;
    for message in conversation.messages.iter().filter(|message| message.role == "system") {
        out.separate(&mut first, "\n\n");
        out.put(&message.content);
    }
    deepseek_tools(out, conversation.tools);

    let last_user = conversation.messages.iter().rposition(|message| message.role == "user");
    let (mut after_user, mut after_result) = (false, false);
    for (at, message) in conversation.messages.iter().enumerate() {
        match message.role.as_str() {
            "user" => {
                out.puts([USER, &message.content]);
                (after_user, after_result) = (true, false);
            }
            "assistant" => {
                if after_user {
                    let is_current = last_user.is_none_or(|last_user| at > last_user);
                    let thought = thinks && is_current && !message.thinking.is_empty();
                    let opens = thought && message.tool_calls.is_empty();
                    out.puts([ASSISTANT, if opens { "<think>" } else { "</think>" }]);
                }
                deepseek_answer(out, message, after_result);
                (after_user, after_result) = (false, false);
            }
            "tool" => {
                out.puts([RESULT, &message.content, END_OF_RESULT]);
                (after_user, after_result) = (false, true);
            }
            _ => {}
        }
    }
    if after_user {
        out.puts([ASSISTANT, if thinks { "<think>" } else { "</think>" }]);
    }
}

fn deepseek_answer(out: &mut Out, message: &Message, after_result: bool) {
    let content = &message.content;
    if !message.tool_calls.is_empty() {
        out.puts([content, CALLS]);
        for call in &message.tool_calls {
            out.puts([CALL, &call.function.name, SEPARATOR]);
            Json::Compact.put_arguments(out, &call.function.arguments);
            out.put(END_OF_CALL);
        }
        return out.puts([END_OF_CALLS, EOS]);
    }
    // Thoughts that a client sent back inside the content are cut off, but not from an answer to results.
    let kept =
        if after_result { content } else { content.split_once("</think>").map_or(content.as_str(), |(_, kept)| kept) };
    out.puts([kept, EOS]);
}

fn deepseek_tools(out: &mut Out, tools: &[Tool]) {
    if tools.is_empty() {
        return;
    }
    out.put("\n\n## Tools\nYou have access to the following tools:\n");
    for tool in tools {
        let function = &tool.function;
        out.puts(["\n### ", &function.name, "\nDescription: ", &function.description, "\n\nParameters: "]);
        Json::Compact.put(out, &function.parameters);
        out.put("\n");
    }
    out.puts(["\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n", CALLS, CALL, "tool_call_name"]);
    out.puts([SEPARATOR, "tool_call_arguments", END_OF_CALL, "{{additional_tool_calls}}", END_OF_CALLS]);
    out.put(
        "\n\nWhere:\n\n- `tool_call_name` must be an exact match to one of the available tools\n\
         - `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n\
         - For multiple tool calls, chain them directly without separators or spaces\n",
    );
}

const COGITO: &str =
    "You are Cogito, an AI assistant created by Deep Cogito, which is an AI research lab based in San Francisco.";

/// Thinking is asked for in words; the system message counts only in front.
pub(super) fn cogito(out: &mut Out, conversation: &Conversation<'_>) {
    let thinks = conversation.thinks(false);
    let (system, messages) = conversation.leading_system();
    out.puts([BOS, if thinks { "Enable deep thinking subroutine.\n\n" } else { "" }, COGITO]);
    if let Some(system) = system.filter(|system| !system.is_empty()) {
        out.puts(["\n\n", system, if thinks { "\n\n" } else { "" }]);
    }
    if !conversation.tools.is_empty() {
        out.put("\nYou have the following functions available:\n");
        for tool in conversation.tools {
            out.put("```json\n");
            Json::Indented.put(out, tool);
            out.put("\n```\n");
        }
    }

    let mut after_user = false;
    for (at, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "user" => {
                out.puts([USER, &message.content, ASSISTANT]);
                after_user = true;
            }
            "assistant" => {
                out.put(&message.content);
                cogito_calls(out, &message.tool_calls);
                out.put(EOS);
                after_user = false;
            }
            "tool" => {
                let place = place_of_result(messages, at);
                out.put(if place.is_first { "<｜tool▁outputs▁begin｜>" } else { "" });
                out.puts([RESULT, &message.content, END_OF_RESULT]);
                out.put(if place.is_last { "<｜tool▁outputs▁end｜>" } else { "\n" });
                after_user = false;
            }
            _ => {}
        }
    }
    out.puts([if after_user { "" } else { ASSISTANT }, if thinks { "<think>\n" } else { "" }]);
}

fn cogito_calls(out: &mut Out, calls: &[ToolCall]) {
    if calls.is_empty() {
        return;
    }
    let mut first = true;
    out.put(CALLS);
    for call in calls {
        out.separate(&mut first, "\n");
        out.puts([CALL, "function", SEPARATOR, &call.function.name, "\n```json\n"]);
        Json::Compact.put_arguments(out, &call.function.arguments);
        out.puts(["\n```", END_OF_CALL]);
    }
    out.put(END_OF_CALLS);
}
