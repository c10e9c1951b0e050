//! gemma4 in its two sizes: turns of `<|turn>`, results inside the turn of the answer that asked for them.

use std::collections::HashMap;

use super::Conversation;
use super::braces::Braces;
use super::gemma4_schema::put_properties;
use super::images::Images;
use super::out::Out;
use crate::model::{Message, Tool};

/// The token that begins a text.
pub(super) const BOS: &str = "<bos>";
/// How values are written.
pub(super) const BRACES: Braces = Braces { quote: "<|\"|>", null: "null" };

const END: &str = "<turn|>\n";
const THOUGHTS: &str = "<|channel>";
const END_OF_THOUGHTS: &str = "<channel|>";

/// How a turn of the model stands when its message is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With text, or nothing.
    Text,
    /// With calls that have no results yet.
    Calls,
    /// With results.
    Results,
}

/// `shuts_thoughts`: the large models get an empty block of thoughts when they are not to think.
pub(super) fn gemma4(out: &mut Out, conversation: &Conversation<'_>, shuts_thoughts: bool) {
    let thinks = conversation.thinks(false);
    let (system, messages) = conversation.leading(&["system", "developer"]);
    out.put(BOS);
    put_system(out, system, conversation.tools, thinks);

    let last_user = messages.iter().rposition(|message| message.role == "user");
    let mut images = Images::default();
    let mut ending = Ending::Text;
    let mut role_before = "";
    for (at, message) in messages.iter().enumerate() {
        let role = message.role.as_str();
        if role == "tool" {
            continue;
        }
        let results = results_after(messages, at);
        let role_after = messages.get(at + 1 + results.len()).map_or("", |next| next.role.as_str());
        let is_model = matches!(role, "assistant" | "model");
        if !is_model || role_before != "assistant" {
            out.puts(["<|turn>", if is_model { "model" } else { role }, "\n"]);
        }
        let is_current = last_user.is_none_or(|last_user| at > last_user);
        if role == "assistant" && is_current && !message.thinking.is_empty() {
            out.puts([THOUGHTS, "thought\n", &message.thinking, "\n", END_OF_THOUGHTS]);
        }
        ending = put_calls(out, message, results, &mut images);
        let has_content = put_content(out, message, is_model, &mut images);
        let turn_goes_on = is_model && role_after == "assistant" && ending != Ending::Calls;
        let waits = ending == Ending::Results && !has_content && role_after.is_empty();
        if ending == Ending::Calls {
            out.put("<|tool_response>");
        } else if !turn_goes_on && !waits {
            out.put(END);
        }
        role_before = role;
    }
    match ending {
        Ending::Text => {
            out.put("<|turn>model\n");
            if shuts_thoughts && !thinks {
                out.puts([THOUGHTS, "thought\n", END_OF_THOUGHTS]);
            }
        }
        Ending::Results if thinks => out.puts([THOUGHTS, "thought\n"]),
        Ending::Results | Ending::Calls => {}
    }
}

fn put_system(out: &mut Out, system: Option<&str>, tools: &[Tool], thinks: bool) {
    if system.is_none() && tools.is_empty() && !thinks {
        return;
    }
    out.puts(["<|turn>system\n", if thinks { "<|think|>\n" } else { "" }, system.unwrap_or_default().trim()]);
    for tool in tools {
        out.put("<|tool>");
        BRACES.put_declaration(out, tool, put_properties);
        out.put("<tool|>");
    }
    out.put(END);
}

/// The results that directly follow the message at `at`.
fn results_after(messages: &[Message], at: usize) -> &[Message] {
    let after = messages.get(at + 1..).unwrap_or_default();
    let count = after.iter().take_while(|message| message.role == "tool").count();
    after.get(..count).unwrap_or_default()
}

/// The calls of `message`, and their `results` behind them.
fn put_calls(out: &mut Out, message: &Message, results: &[Message], images: &mut Images) -> Ending {
    if message.tool_calls.is_empty() {
        return Ending::Text;
    }
    for call in &message.tool_calls {
        out.put("<|tool_call>");
        BRACES.put_call(out, call);
        out.put("<tool_call|>");
    }
    // Of equal ids the first counts.
    let named = message.tool_calls.iter().rev().map(|call| (call.id.as_str(), call.function.name.as_str()));
    let names: HashMap<&str, &str> = named.filter(|(id, _)| !id.is_empty()).collect();
    for result in results {
        let own_name = if result.tool_name.is_empty() { "unknown" } else { &result.tool_name };
        let name = names.get(result.tool_call_id.as_str()).copied().unwrap_or(own_name);
        out.puts(["<|tool_response>response:", name, "{value:"]);
        BRACES.put_text(out, &images.mark(result));
        out.put("}<tool_response|>");
    }
    if results.is_empty() { Ending::Calls } else { Ending::Results }
}

/// The content of `message`: an answer without the thoughts in it. Returns whether there was any.
fn put_content(out: &mut Out, message: &Message, is_model: bool, images: &mut Images) -> bool {
    let content = if is_model { without_thoughts(&message.content) } else { message.content.trim().to_owned() };
    out.put(&images.mark_in(&content, message.images.len()));
    !content.is_empty() || !message.images.is_empty()
}

/// `text` without its blocks of thoughts, trimmed; one that does not end takes the rest with it.
fn without_thoughts(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, block)) = rest.split_once(THOUGHTS) {
        kept.push_str(before);
        rest = block.split_once(END_OF_THOUGHTS).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}
