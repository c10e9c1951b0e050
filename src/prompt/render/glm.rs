//! glm-4.7 and glm-ocr: one grammar with and without line breaks.

use super::calls::key_value_tags;
use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::{Conversation, place_of_result};
use crate::model::{Message, Tool};

const BEGIN: &str = "[gMASK]<sop>";

/// Thinks unless told not to; thoughts of all earlier answers stay.
pub(super) fn glm47(out: &mut Out, conversation: &Conversation<'_>) {
    out.put(BEGIN);
    put_tools(out, conversation.tools);
    for (at, message) in conversation.messages.iter().enumerate() {
        let content = &message.content;
        match message.role.as_str() {
            "user" => out.puts(["<|user|>", content]),
            "system" => out.puts(["<|system|>", content]),
            "assistant" => {
                out.put("<|assistant|>");
                if !message.thinking.is_empty() {
                    out.puts(["<think>", &message.thinking]);
                }
                out.puts(["</think>", content]);
                for call in &message.tool_calls {
                    key_value_tags(out, call, Json::Compact, "");
                }
            }
            "tool" => {
                put_observation(out, conversation.messages, at);
                out.puts(["<tool_response>", content, "</tool_response>"]);
            }
            _ => {}
        }
    }
    out.puts(["<|assistant|>", if conversation.thinks(true) { "<think>" } else { "</think>" }]);
}

/// Sees images, and is told not to think in each of the user's turns.
pub(super) fn glm_ocr(out: &mut Out, conversation: &Conversation<'_>) {
    let must_not_think = !conversation.thinks(true);
    let mut images = Images::default();
    out.put(BEGIN);
    put_tools(out, conversation.tools);
    for (at, message) in conversation.messages.iter().enumerate() {
        match message.role.as_str() {
            "user" => {
                out.puts(["<|user|>\n", &images.mark(message)]);
                if must_not_think && !message.content.ends_with("/nothink") {
                    out.put("/nothink");
                }
            }
            "system" => out.puts(["<|system|>\n", &message.content, "\n"]),
            "assistant" => {
                out.puts(["<|assistant|>\n<think>", message.thinking.trim(), "</think>"]);
                if !message.content.is_empty() {
                    out.puts(["\n", message.content.trim()]);
                }
                for call in &message.tool_calls {
                    out.put("\n");
                    key_value_tags(out, call, Json::Compact, "");
                }
                out.put("\n");
            }
            "tool" => {
                put_observation(out, conversation.messages, at);
                out.puts(["\n<tool_response>\n", &images.mark(message), "\n</tool_response>\n"]);
            }
            _ => {}
        }
    }
    out.puts(["<|assistant|>\n", if must_not_think { "<think></think>\n" } else { "" }]);
}

/// Results that follow one another share a turn.
fn put_observation(out: &mut Out, messages: &[Message], at: usize) {
    if place_of_result(messages, at).is_first {
        out.put("<|observation|>");
    }
}

fn put_tools(out: &mut Out, tools: &[Tool]) {
    if tools.is_empty() {
        return;
    }
    out.put(
        "<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n",
    );
    for tool in tools {
        Json::Spaced.put(out, tool);
        out.put("\n");
    }
    out.put(
        "</tools>\n\nFor each function call, output the function name and arguments within the following XML format:\n\
         <tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>\
         <arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>",
    );
}
