//! qwen3-coder: functions as tags, also in the list of tools. It does not think and sees no images.

use serde::Serialize;
use serde_json::Value;

use super::calls::{FUNCTION_RULES, FUNCTIONS_FOLLOW, argument_text, function_tags};
use super::json::Json;
use super::out::Out;
use super::{Conversation, chatml, go, place_of_result};
use crate::model::tool::ToolFunction;
use crate::model::{Message, Tool};

/// Who the model is when there are tools and nobody says.
const SYSTEM: &str = "You are Qwen, a helpful AI assistant that can interact with a computer to solve tasks.";

pub(super) fn coder(out: &mut Out, conversation: &Conversation<'_>) {
    let (system, messages): (Vec<&Message>, Vec<_>) =
        conversation.messages.iter().partition(|message| message.role == "system");
    let system = system.into_iter().map(|message| message.content.as_str()).find(|content| !content.is_empty());
    if system.is_some() || !conversation.tools.is_empty() {
        out.puts([chatml::START, "system\n", system.unwrap_or(SYSTEM)]);
        if !conversation.tools.is_empty() {
            tools(out, conversation.tools);
        }
        out.put(chatml::END);
    }
    for (at, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "assistant" => answer(out, message, at + 1 == messages.len()),
            "tool" => chatml::tool_result(out, &message.content, place_of_result(&messages, at)),
            role => chatml::turn(out, role, &message.content),
        }
    }
    if messages.last().is_some_and(|last| last.role != "assistant") {
        out.put(chatml::ANSWER);
    }
}

/// An answer that came before; the last one without calls is left open to be gone on with.
fn answer(out: &mut Out, message: &Message, is_last: bool) {
    out.puts([chatml::ANSWER, &message.content]);
    if message.tool_calls.is_empty() {
        if !is_last {
            out.put(chatml::END);
        }
        return;
    }
    if !message.content.is_empty() {
        out.put("\n");
    }
    for call in &message.tool_calls {
        out.put("\n");
        function_tags(out, call, argument_text);
    }
    out.put(chatml::END);
}

fn tools(out: &mut Out, tools: &[Tool]) {
    out.puts(["\n\n", FUNCTIONS_FOLLOW]);
    for tool in tools {
        function(out, &tool.function);
    }
    out.puts(["\n</tools>", FUNCTION_RULES]);
}

fn function(out: &mut Out, function: &ToolFunction) {
    out.puts(["\n<function>\n<name>", &function.name, "</name>"]);
    element(out, "description", &function.description);
    out.put("\n<parameters>");
    for (name, property) in function.parameters.properties.iter().flat_map(|properties| &properties.0) {
        out.puts(["\n<parameter>\n<name>", name, "</name>"]);
        match property.types.as_slice() {
            [] => {}
            [only] => out.puts(["\n<type>", only, "</type>"]),
            several => {
                out.put("\n<type>");
                Json::Compact.put(out, &several);
                out.put("</type>");
            }
        }
        element(out, "description", &property.description);
        other_keys(out, property, &["type", "description"]);
        out.put("\n</parameter>");
    }
    other_keys(out, &function.parameters, &["type", "properties"]);
    out.put("\n</parameters>\n</function>");
}

fn element(out: &mut Out, tag: &str, text: &str) {
    if !text.is_empty() {
        out.puts(["\n<", tag, ">", text, "</", tag, ">"]);
    }
}

/// The other keys of a schema as elements. Ollama writes them in the random order of a Go map; here they come in the
/// order of its types.
fn other_keys(out: &mut Out, schema: &impl Serialize, known: &[&str]) {
    let Ok(Value::Object(schema)) = serde_json::to_value(schema) else { return };
    for (key, value) in schema.iter().filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null()) {
        out.puts(["\n<", key, ">"]);
        match value {
            Value::Array(_) | Value::Object(_) => Json::Compact.put_free(out, value),
            _ => out.put(&go::print(value)),
        }
        out.puts(["</", key, ">"]);
    }
}
