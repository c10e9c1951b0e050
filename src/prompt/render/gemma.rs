//! functiongemma: calls and results in braces inside turns of `<start_of_turn>`.

use super::Conversation;
use super::braces::Braces;
use super::out::Out;
use crate::model::tool::ToolProperties;
use crate::model::{Message, Tool};

/// The token that begins a text.
pub(super) const BOS: &str = "<bos>";

const BRACES: Braces = Braces { quote: "<escape>", null: "<nil>" };
const TURN: &str = "<start_of_turn>";
const END: &str = "<end_of_turn>\n";
const RESULT: &str = "<start_function_response>";
/// Stands before the tools, unless the client's own text says just that.
const TOOLS: &str = "You can do function calling with the following functions:";

/// Where the text stands, as far as the next message has to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between turns.
    Between,
    /// Behind calls whose results come next.
    AfterCalls,
    /// Behind a result: the turn goes on.
    AfterResult,
}

pub(super) fn function_gemma(out: &mut Out, conversation: &Conversation<'_>) {
    let (system, messages) = conversation.leading(&["system", "developer"]);
    out.put(BOS);
    put_system(out, system.unwrap_or_default(), conversation.tools);

    let mut place = Place::Between;
    // The last answer with calls, and how many results there have been since.
    let mut asked: Option<(&Message, usize)> = None;
    for (at, message) in messages.iter().enumerate() {
        let content = message.content.trim();
        let role = message.role.as_str();
        if role == "tool" {
            if place != Place::AfterCalls {
                out.put(RESULT);
            }
            let call = asked.and_then(|(message, results)| message.tool_calls.get(results));
            out.puts(["response:", call.map_or("", |call| &call.function.name), "{"]);
            BRACES.put_text(out, &message.content);
            out.put("}<end_function_response>");
            asked = asked.map(|(message, results)| (message, results + 1));
            place = Place::AfterResult;
            continue;
        }
        let goes_on = place == Place::AfterResult && matches!(role, "assistant" | "user");
        if !goes_on {
            out.puts([TURN, if role == "assistant" { "model" } else { role }, "\n"]);
        }
        out.put(content);
        // Another role leaves the place as it was.
        if matches!(role, "assistant" | "user") {
            place = Place::Between;
        }
        if role == "assistant" && !message.tool_calls.is_empty() {
            asked = Some((message, 0));
            for call in &message.tool_calls {
                out.put("<start_function_call>");
                BRACES.put_call(out, call);
                out.put("<end_function_call>");
            }
            if messages.get(at + 1).is_some_and(|next| next.role == "tool") {
                out.put(RESULT);
                place = Place::AfterCalls;
                continue;
            }
        }
        out.put(END);
    }
    if place != Place::AfterResult {
        out.puts([TURN, "model\n"]);
    }
}

fn put_system(out: &mut Out, system: &str, tools: &[Tool]) {
    if system.is_empty() && tools.is_empty() {
        return;
    }
    let text = system.trim();
    out.puts([TURN, "developer\n", text]);
    if !tools.is_empty() {
        out.puts([if system.is_empty() { "" } else { "\n" }, if text == TOOLS { "" } else { TOOLS }]);
    }
    for tool in tools {
        out.put("<start_function_declaration>");
        BRACES.put_declaration(out, tool, put_properties);
        out.put("<end_function_declaration>");
    }
    out.put(END);
}

/// Sorted by name; only the first type of each, and nothing of what is inside it.
fn put_properties(out: &mut Out, properties: &ToolProperties) {
    let mut properties: Vec<_> = properties.0.iter().collect();
    properties.sort_by_key(|(name, _)| name);
    let mut first = true;
    for (name, property) in properties {
        out.separate(&mut first, ",");
        out.puts([name, ":{description:"]);
        BRACES.put_text(out, &property.description);
        if let Some(name) = property.types.first() {
            out.put(",type:");
            BRACES.put_type(out, name);
        }
        out.put("}");
    }
}
