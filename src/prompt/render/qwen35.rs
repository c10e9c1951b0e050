//! qwen3.5, ornith and qwen3.8: calls as `<function=…>` tags, tools as JSON, thoughts in a block before each answer.

use std::borrow::Cow;
use std::iter;

use super::calls::{FUNCTION_RULES, FUNCTIONS_FOLLOW, argument_text, function_tags};
use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::qwen_vl::last_question;
use super::{Conversation, RenderError, chatml, place_of_result};
use crate::model::{Level, Message, Think};

/// In what the three differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    /// Every answer that came before gets its block of thoughts, not only those of the current turn.
    pub(super) keeps_thoughts: bool,
    /// qwen3.8: one system turn in front, an effort in words, thoughts only from their own field.
    pub(super) is_strict: bool,
}

const EFFORT_HIGH: &str = "Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, consider plausible alternatives, and prioritize correctness, consistency, and clarity in the final answer.";
const EFFORT_LOW: &str = "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the conclusion without unnecessary elaboration.";

pub(super) fn qwen35(out: &mut Out, conversation: &Conversation<'_>, variant: Variant) {
    let folded = if variant.is_strict { fold_instructions(conversation.messages) } else { None };
    let messages: Vec<&Message> = match &folded {
        None => conversation.messages.iter().collect(),
        Some(system) => {
            iter::once(system).chain(conversation.messages.iter().filter(|message| !instructs(message))).collect()
        }
    };
    let mut images = Images::default();
    let contents: Vec<_> = messages.iter().map(|message| images.mark(message)).collect();
    if variant.is_strict
        && let Err(error) = check(conversation.messages, &messages, &contents)
    {
        return out.fail(error);
    }
    let thinks = conversation.thinks(true);
    let effort = if variant.is_strict { effort(conversation.think) } else { "" };
    let system = messages.first().filter(|first| first.role == "system").and(contents.first());
    put_system(out, conversation, system.map(|content| content.trim()), effort, variant);

    let question = last_question(&messages, &contents, str::trim);
    for (at, (message, content)) in messages.iter().zip(&contents).enumerate() {
        let content = content.trim();
        match message.role.as_str() {
            "system" if at == 0 => {}
            "user" | "system" => chatml::turn(out, &message.role, content),
            "assistant" => {
                put_answer(out, message, content, variant, variant.keeps_thoughts || thinks && at > question);
                if at + 1 < messages.len() {
                    out.put(chatml::END);
                }
            }
            "tool" => chatml::tool_result(out, content, place_of_result(&messages, at)),
            role if variant.is_strict => chatml::turn(out, role, content),
            _ => {}
        }
    }
    if messages.last().is_some_and(|last| last.role != "assistant") {
        out.puts([chatml::ANSWER, if thinks { "<think>\n" } else { "<think>\n\n</think>\n\n" }]);
    }
}

fn instructs(message: &Message) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

/// All instructions of a conversation in one message; `None` when there is nothing to move.
fn fold_instructions(messages: &[Message]) -> Option<Message> {
    let instructions: Vec<&Message> = messages.iter().filter(|message| instructs(message)).collect();
    let stands_in_front = messages.first().is_some_and(|first| first.role == "system");
    if instructions.is_empty() || instructions.len() == 1 && stands_in_front {
        return None;
    }
    let texts: Vec<&str> =
        instructions.iter().map(|message| message.content.trim()).filter(|text| !text.is_empty()).collect();
    Some(Message { role: "system".into(), content: texts.join("\n\n"), ..Message::default() })
}

/// What qwen3.8 refuses. `given` are the messages as they came, `messages` and `contents` as they are written.
fn check(given: &[Message], messages: &[&Message], contents: &[Cow<'_, str>]) -> Result<(), RenderError> {
    if let Some(message) = given.iter().find(|message| instructs(message) && !message.images.is_empty()) {
        return Err(RenderError::ImagesIn(message.role.clone()));
    }
    if messages.is_empty() {
        return Err(RenderError::NoMessages);
    }
    let mut turns = messages.iter().zip(contents);
    if turns.any(|(message, content)| message.role == "user" && !chatml::is_tool_response(content.trim())) {
        return Ok(());
    }
    Err(RenderError::NoQuery)
}

/// How hard to think, in words; empty for the effort that needs none. Without a wish it is the highest.
fn effort(think: Option<Think>) -> &'static str {
    match think {
        None | Some(Think::Level(Level::High | Level::Max)) => EFFORT_HIGH,
        Some(Think::Level(Level::Low)) => EFFORT_LOW,
        Some(Think::On | Think::Off | Think::Level(Level::Medium)) => "",
    }
}

fn put_system(out: &mut Out, conversation: &Conversation<'_>, system: Option<&str>, effort: &str, variant: Variant) {
    let text = system.unwrap_or_default();
    if !conversation.tools.is_empty() {
        out.puts([chatml::START, "system\n", effort, if effort.is_empty() { "" } else { "\n\n" }, FUNCTIONS_FOLLOW]);
        for tool in conversation.tools {
            out.put("\n");
            Json::Spaced.put(out, tool);
        }
        out.puts(["\n</tools>", FUNCTION_RULES, if text.is_empty() { "" } else { "\n\n" }, text, chatml::END]);
    } else if !(text.is_empty() && effort.is_empty()) || system.is_some() && !variant.is_strict {
        let between = if text.is_empty() || effort.is_empty() { "" } else { "\n\n" };
        out.puts([chatml::START, "system\n", effort, between, text, chatml::END]);
    }
}

/// An answer that came before, or the beginning of the one to come, without its end.
fn put_answer(out: &mut Out, message: &Message, content: &str, variant: Variant, with_thoughts: bool) {
    let (thoughts, content) = if with_thoughts && !message.thinking.is_empty() {
        (message.thinking.trim(), content)
    } else if variant.is_strict {
        ("", content)
    } else {
        split_thoughts(content)
    };
    out.put(chatml::ANSWER);
    if with_thoughts {
        out.puts(["<think>\n", thoughts, "\n</think>\n\n"]);
    }
    out.put(content);
    let mut first = true;
    for call in &message.tool_calls {
        if first && !content.trim().is_empty() {
            out.put("\n\n");
        }
        out.separate(&mut first, "\n");
        function_tags(out, call, argument_text);
    }
}

/// Thoughts that a client sent back inside the content, and the rest of it.
fn split_thoughts(content: &str) -> (&str, &str) {
    let Some((before, after)) = content.split_once("</think>") else { return ("", content) };
    let thoughts = before.rsplit_once("<think>").map_or(before, |(_, thoughts)| thoughts);
    (thoughts.trim(), after.trim_start_matches('\n'))
}
