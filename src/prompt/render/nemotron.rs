//! nemotron-3-nano and nemotron-3.5-nano: functions as tags, values as their Python template prints them.

use serde::Serialize;
use serde_json::Value;

use super::calls::{FUNCTION_RULES, FUNCTIONS_FOLLOW, function_tags};
use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::{Conversation, chatml, go, place_of_result};
use crate::model::tool::{ToolParameters, ToolProperty};
use crate::model::{Level, Message, Think, Tool};

/// `is_newer`: 3.5, which leaves `/think` and `/no_think` in a text alone and knows a medium effort.
pub(super) fn nemotron(out: &mut Out, conversation: &Conversation<'_>, is_newer: bool) {
    let (system, messages) = conversation.leading_system();
    let last_user = messages.iter().rposition(|message| message.role == "user");
    put_system(out, system.unwrap_or_default(), conversation.tools, is_newer);

    let is_medium = is_newer && conversation.think == Some(Think::Level(Level::Medium));
    let mut images = Images::default();
    for (at, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "assistant" => {
                let is_past = last_user.is_some_and(|last_user| at < last_user);
                put_answer(out, message, is_past, is_newer);
            }
            role @ ("user" | "system") => {
                let content = images.mark(message);
                if is_newer {
                    let is_question = is_medium && role == "user" && Some(at) == last_user;
                    let effort = if is_question { "\n\n{reasoning effort: efficient}" } else { "" };
                    out.puts([chatml::START, role, "\n", &content, effort, chatml::END]);
                } else {
                    chatml::turn(out, role, without_toggles(&content).trim());
                }
            }
            "tool" => {
                let place = place_of_result(messages, at);
                // The first of all messages opens no turn, as in the model's own template.
                if at > 0 && place.is_first {
                    out.puts([chatml::START, "user\n"]);
                }
                out.puts(["<tool_response>\n", &images.mark(message), "\n</tool_response>\n"]);
                if place.is_last {
                    out.put(chatml::END);
                }
            }
            role => chatml::turn(out, role, &message.content),
        }
    }
    let thinks = if is_newer { conversation.thinks(true) } else { toggled(conversation) };
    out.puts([chatml::ANSWER, if thinks { "<think>\n" } else { "<think></think>" }]);
}

/// Whether to think: the last `/think` or `/no_think` in a text of the user or the system decides over the request.
fn toggled(conversation: &Conversation<'_>) -> bool {
    let mut thinks = conversation.thinks(true);
    for message in conversation.messages {
        if !matches!(message.role.as_str(), "user" | "system") {
            continue;
        }
        if message.content.replace("</think>", "").contains("/think") {
            thinks = true;
        } else if message.content.contains("/no_think") {
            thinks = false;
        }
    }
    thinks
}

/// `content` without the toggles; the `/think` of a closing tag stays.
fn without_toggles(content: &str) -> String {
    let content = content.replace("</think>", "<_end_think>").replace("/think", "").replace("/no_think", "");
    content.replace("<_end_think>", "</think>")
}

fn put_system(out: &mut Out, system: &str, tools: &[Tool], is_newer: bool) {
    let system = if is_newer { system.to_owned() } else { without_toggles(system) };
    out.puts([chatml::START, "system\n", &system]);
    if !tools.is_empty() {
        out.puts([if system.is_empty() { "" } else { "\n\n" }, FUNCTIONS_FOLLOW]);
        for tool in tools {
            put_tool(out, tool);
        }
        out.puts(["\n</tools>", FUNCTION_RULES]);
    }
    out.put(chatml::END);
}

/// An answer that came before. Of past turns, before the last question, the thoughts are left out.
fn put_answer(out: &mut Out, message: &Message, is_past: bool, is_newer: bool) {
    let content = &message.content;
    let (before, after) = if is_newer { ("", "") } else { ("\n", "\n") };
    let content = if !message.thinking.is_empty() {
        ["<think>\n", &message.thinking, before, "</think>", after, content].concat()
    } else if content.contains("<think>") || content.contains("</think>") {
        content.clone()
    } else {
        ["<think></think>", content].concat()
    };
    out.put(chatml::ANSWER);
    let (opened, closed) = (content.contains("<think>"), content.contains("</think>"));
    let after_thoughts = || content.rsplit("</think>").next().unwrap_or_default();
    if message.tool_calls.is_empty() {
        if is_past && opened && closed {
            // What comes out is trimmed as a whole: at its end, that is.
            out.puts(["<think></think>", after_thoughts().trim_end(), chatml::END]);
        } else {
            out.puts([content.trim(), chatml::END]);
        }
        return;
    }
    if is_past {
        let kept = if closed { after_thoughts() } else { content.split("<think>").next().unwrap_or_default() };
        out.puts(["<think></think>", kept.trim(), "\n"]);
    } else {
        out.puts([content.trim(), "\n"]);
    }
    for call in &message.tool_calls {
        function_tags(out, call, put_value);
        out.put("\n");
    }
    out.put(chatml::END);
}

fn put_tool(out: &mut Out, tool: &Tool) {
    let function = &tool.function;
    out.puts(["\n<function>\n<name>", &function.name, "</name>"]);
    put_description(out, &function.description);
    out.put("\n<parameters>");
    let ToolParameters { defs, items, required, properties, .. } = &function.parameters;
    for (name, property) in properties.iter().flat_map(|properties| &properties.0) {
        out.puts(["\n<parameter>\n<name>", name, "</name>"]);
        put_property(out, property);
        out.put("\n</parameter>");
    }
    for (key, value) in [("$defs", defs), ("items", items)] {
        if let Some(value) = value {
            element(out, key, |out| put_value(out, value));
        }
    }
    list(out, "required", required);
    out.put("\n</parameters>\n</function>");
}

fn put_property(out: &mut Out, property: &ToolProperty) {
    match property.types.as_slice() {
        [] => {}
        [only] => out.puts(["\n<type>", only, "</type>"]),
        several => out.puts(["\n<type>['", &several.join("', '"), "']</type>"]),
    }
    put_description(out, &property.description);
    let ToolProperty { any_of, items, values, properties, required, .. } = property;
    if !values.is_empty() {
        element(out, "enum", |out| Json::Quoted.put_free(out, &Value::Array(values.clone())));
    }
    list(out, "anyOf", any_of);
    if let Some(items) = items {
        element(out, "items", |out| Json::Quoted.put_free(out, items));
    }
    if let Some(properties) = properties {
        element(out, "properties", |out| Json::Quoted.put(out, properties));
    }
    list(out, "required", required);
}

fn put_description(out: &mut Out, description: &str) {
    if !description.is_empty() {
        out.puts(["\n<description>", description.trim(), "</description>"]);
    }
}

/// An element with a list, where there is any.
fn list<T: Serialize>(out: &mut Out, tag: &str, list: &[T]) {
    if !list.is_empty() {
        element(out, tag, |out| Json::Quoted.put(out, &list));
    }
}

fn element(out: &mut Out, tag: &str, write: impl FnOnce(&mut Out)) {
    out.puts(["\n<", tag, ">"]);
    write(out);
    out.puts(["</", tag, ">"]);
}

/// A value as the template prints it: arrays and objects as JSON, text as it is, others as Python's `str` has them.
fn put_value(out: &mut Out, value: &Value) {
    match value {
        Value::Null => out.put("None"),
        Value::Bool(true) => out.put("True"),
        Value::Bool(false) => out.put("False"),
        Value::Number(_) | Value::String(_) => out.put(&go::print(value)),
        Value::Array(_) | Value::Object(_) => Json::Quoted.put_free(out, value),
    }
}
