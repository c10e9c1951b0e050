//! lfm2 and lfm2-thinking: `ChatML` with special tokens around tools, calls and results; calls as in Python.

use std::borrow::Cow;

use super::calls::python;
use super::definitions::{put_function, put_tool};
use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::{Conversation, RenderError, chatml};
use crate::model::{Message, ToolCall};

/// The token that begins a text.
pub(super) const BOS: &str = "<|startoftext|>";

const CALLS: &str = "<|tool_call_start|>";
const RESULT: &str = "<|tool_response_start|>";
const END_OF_THOUGHTS: &str = "</think>";

/// `can_think`: thoughts of earlier answers are written down; those of the last one, or of all when it is to think.
pub(super) fn lfm2(out: &mut Out, conversation: &Conversation<'_>, can_think: bool) {
    let (system, messages) = conversation.leading_system();
    let mut images = Images::default();
    if system.is_some() {
        conversation.messages.iter().take(1).for_each(|message| images.skip(message));
    }
    out.put(BOS);
    put_system(out, system.unwrap_or_default(), conversation);

    let keeps_thoughts = can_think && conversation.thinks(false);
    let last_answer = messages.iter().rposition(|message| message.role == "assistant");
    for (at, message) in messages.iter().enumerate() {
        let content = images.mark(message);
        out.puts([chatml::START, &message.role, "\n"]);
        match message.role.as_str() {
            "assistant" => {
                let content = match whole_answer(message, content, can_think) {
                    Ok(content) => content,
                    Err(error) => return out.fail(error),
                };
                match content.rsplit_once(END_OF_THOUGHTS) {
                    Some((_, rest)) if !keeps_thoughts && Some(at) != last_answer => out.put(rest.trim()),
                    _ => out.put(&content),
                }
                if at + 1 < messages.len() {
                    out.put(chatml::END);
                }
                continue;
            }
            "tool" if !content.contains(RESULT) => out.puts([RESULT, &content, "<|tool_response_end|>"]),
            _ => out.put(&content),
        }
        out.put(chatml::END);
    }
    if conversation.messages.last().is_none_or(|last| last.role != "assistant") {
        out.put(chatml::ANSWER);
    }
}

fn put_system(out: &mut Out, system: &str, conversation: &Conversation<'_>) {
    if system.is_empty() && conversation.tools.is_empty() {
        return;
    }
    out.puts([chatml::START, "system\n", system]);
    if !conversation.tools.is_empty() {
        let mut first = true;
        out.puts([if system.is_empty() { "" } else { "\n" }, "List of tools: <|tool_list_start|>["]);
        for tool in conversation.tools {
            out.separate(&mut first, ", ");
            // What is no function is written whole.
            if tool.function.name.is_empty() {
                put_tool(out, tool);
            } else {
                put_function(out, &tool.function);
            }
        }
        out.put("]<|tool_list_end|>");
    }
    out.put(chatml::END);
}

/// The text of an answer with its calls in front, and in front of these its thoughts: each unless the text has some.
fn whole_answer<'a>(message: &Message, content: Cow<'a, str>, can_think: bool) -> Result<Cow<'a, str>, RenderError> {
    let mut before = Out::new();
    if !message.tool_calls.is_empty() && !content.contains(CALLS) {
        put_calls(&mut before, &message.tool_calls);
        before.put(if content.trim().is_empty() { "" } else { "\n" });
    }
    let calls = before.finish()?;
    let has_thoughts = content.contains(END_OF_THOUGHTS) || calls.contains(END_OF_THOUGHTS);
    if can_think && !message.thinking.is_empty() && !has_thoughts {
        return Ok(["<think>", &message.thinking, END_OF_THOUGHTS, &calls, &content].concat().into());
    }
    Ok(if calls.is_empty() { content } else { (calls + &content).into() })
}

fn put_calls(out: &mut Out, calls: &[ToolCall]) {
    let mut first = true;
    out.puts([CALLS, "["]);
    for call in calls {
        out.separate(&mut first, ",");
        python(out, &call.function, Json::Plain, ",");
    }
    out.put("]<|tool_call_end|>");
}
