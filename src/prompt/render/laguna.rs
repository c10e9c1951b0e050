//! laguna and poolside-v1: turns as plain tags, with and without line breaks.

use super::Conversation;
use super::calls::key_value_tags;
use super::json::Json;
use super::out::Out;
use crate::model::{Message, Tool};

/// The token that begins a text.
pub(super) const BOS: &str = "〈|EOS|〉";

const SYSTEM: &str = "You are a helpful, conversationally-fluent assistant made by Poolside. You are here to be helpful to users through natural language conversations.";
const TOOLS: &str = "### Tools\n\nYou may call functions to assist with the user query.\nAll available function signatures are listed below:\n<available_tools>\n";
const CALL_RULES: &str = "For each function call, return an unescaped XML-like object with function name and arguments within '<tool_call>' and '</tool_call>' tags, like here:\n";
const THINKING_CALL_RULES: &str = "Wrap your thinking in '<think>', '</think>' tags, followed by a function call. For each function call, return an unescaped XML-like object with function name and arguments within '<tool_call>' and '</tool_call>' tags, like here:\n<think> your thoughts here </think>\n";
const CALL_SAMPLE: &str = "<tool_call>function-name\n<arg_key>argument-key</arg_key>\n<arg_value>value-of-argument-key</arg_value>\n</tool_call>";

/// A tag a line. The last answer is gone on with when there is something in it.
pub(super) fn laguna(out: &mut Out, conversation: &Conversation<'_>) {
    let thinks = conversation.thinks(false);
    let (system, messages) = conversation.leading_system();
    let system = system.unwrap_or(SYSTEM).trim_end();
    out.put(BOS);
    if !system.is_empty() || !conversation.tools.is_empty() {
        out.puts(["<system>\n", if system.is_empty() { "" } else { "\n" }, system]);
        if !conversation.tools.is_empty() {
            out.put("\n\n");
            put_tools(out, conversation.tools);
            out.puts(["\n\n", if thinks { THINKING_CALL_RULES } else { CALL_RULES }, CALL_SAMPLE]);
        }
        out.put("\n</system>\n");
    }
    for (at, message) in messages.iter().enumerate() {
        let content = &message.content;
        match message.role.as_str() {
            role @ ("user" | "system") => out.puts(["<", role, ">\n", content, "\n</", role, ">\n"]),
            "tool" => out.puts(["<tool_response>\n", content, "\n</tool_response>\n"]),
            "assistant" => laguna_answer(out, message, at + 1 == messages.len()),
            _ => {}
        }
    }
    if conversation.messages.last().is_none_or(|last| last.role != "assistant") {
        out.puts(["<assistant>\n", if thinks { "<think>" } else { "</think>" }]);
    }
}

/// Every answer begins with its thoughts, or with the sign that there are none.
fn laguna_answer(out: &mut Out, message: &Message, is_last: bool) {
    let (thoughts, content) = split_thoughts(&message.thinking, &message.content);
    let (thoughts, content) = (thoughts.trim(), content.trim());
    out.put("<assistant>\n");
    if !thoughts.is_empty() {
        out.puts(["<think>\n", thoughts, "\n"]);
    }
    out.put("</think>\n");
    if !content.is_empty() {
        out.puts([content, "\n"]);
    }
    for call in &message.tool_calls {
        key_value_tags(out, call, Json::Spaced, "\n");
        out.put("\n");
    }
    let is_empty = thoughts.is_empty() && content.is_empty() && message.tool_calls.is_empty();
    if !is_last || is_empty {
        out.put("</assistant>\n");
    }
}

/// Thoughts that a client sent back inside the content count when there are no others.
fn split_thoughts<'a>(thinking: &'a str, content: &'a str) -> (&'a str, &'a str) {
    let Some((before, _)) = content.split_once("</think>") else { return (thinking, content) };
    let after = content.rsplit("</think>").next().unwrap_or_default();
    let inside = before.rsplit_once("<think>").map_or(before, |(_, thoughts)| thoughts);
    (if thinking.is_empty() { inside } else { thinking }, after)
}

/// Without line breaks; no answer is gone on with, and thoughts are written when it thinks.
pub(super) fn poolside(out: &mut Out, conversation: &Conversation<'_>) {
    let thinks = conversation.thinks(false);
    let (system, messages) = conversation.leading_system();
    let system = system.unwrap_or(SYSTEM).trim_end();
    out.put(BOS);
    if !system.is_empty() || !conversation.tools.is_empty() || thinks {
        out.puts(["<system>", system]);
        if !conversation.tools.is_empty() {
            out.put(if system.is_empty() { "" } else { "\n\n" });
            put_tools(out, conversation.tools);
        }
        out.put("</system>\n");
    }
    for message in messages {
        let content = &message.content;
        match message.role.as_str() {
            role @ ("user" | "system") => out.puts(["<", role, ">", content, "</", role, ">\n"]),
            "tool" => out.puts(["<tool_response>", content, "</tool_response>\n"]),
            "assistant" => {
                out.put("<assistant>");
                if thinks {
                    out.puts(["<think>", &message.thinking]);
                }
                out.puts(["</think>", content]);
                for call in &message.tool_calls {
                    key_value_tags(out, call, Json::Spaced, "");
                }
                out.put("</assistant>\n");
            }
            _ => {}
        }
    }
    out.puts(["<assistant>", if thinks { "<think>" } else { "</think>" }]);
}

fn put_tools(out: &mut Out, tools: &[Tool]) {
    out.put(TOOLS);
    for tool in tools {
        Json::Spaced.put(out, tool);
        out.put("\n");
    }
    out.put("</available_tools>");
}
