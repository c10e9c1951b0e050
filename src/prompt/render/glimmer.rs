//! glimmer: messages with a recipient between `<|start|>` and `<|eot|>`, calls as `<atem:…>` tags.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use serde_json::Value;

use super::definitions::put_parameters;
use super::images::Images;
use super::json::Json;
use super::out::Out;
use super::{Conversation, go};
use crate::model::{Message, Think, Tool, ToolCall};

/// The token that begins a text.
pub(super) const BOS: &str = "<|begin_of_text|>";

const START: &str = "<|start|>";
const TEXT: &str = "<|message|>";
/// Ends a message after which the same speaker goes on.
const END: &str = "<|eom|>";
const END_OF_TURN: &str = "<|eot|>";

const TOOLS_BEFORE: &str = "In this environment you have access to a set of tools you can use to answer the user's question.

You can invoke a function by writing a \"<atem:function_calls>\" block like the following:
<atem:function_calls>
<atem:invoke name=\"$FUNCTION_NAME\">
<atem:parameter name=\"$PARAMETER_NAME\">$PARAMETER_VALUE</atem:parameter>
...
</atem:invoke>
</atem:function_calls>

String and scalar parameters should be specified as is, while lists and objects should use JSON format. Note that spaces for string values are not stripped. The output is not expected to be valid XML and is parsed with regular expressions.
Here are the functions available in JSONSchema format:
// Tool metadata
";
const TOOLS_AFTER: &str = "

Here's an example of how to call a function in the tool set:
(If the tool namespace is not specified, invoke the function directly as `example_function_name` rather than `example_tool_name.example_function_name`)

to=example_tool_name.example_function_name

<atem:function_calls>
<atem:invoke name=\"example_tool_name.example_function_name\">
<atem:parameter name=\"example_parameter_1\">value_1</atem:parameter>
<atem:parameter name=\"example_parameter_2\">This is the value for the second parameter
that can span
\"multiple\" lines
</atem:parameter>
</atem:invoke>
</atem:function_calls>";

pub(super) fn glimmer(out: &mut Out, conversation: &Conversation<'_>) {
    let messages = conversation.messages;
    out.put(BOS);
    if messages.iter().all(|message| message.role != "system") {
        put_system(out, &default_system(conversation.today), false, conversation);
    }
    // Of equal ids the last counts.
    let calls = messages.iter().flat_map(|message| &message.tool_calls);
    let names: HashMap<&str, &str> = calls.map(|call| (call.id.as_str(), call.function.name.as_str())).collect();
    let mut images = Images::default();
    for (at, message) in messages.iter().enumerate() {
        let content = images.mark(message);
        match message.role.as_str() {
            "system" => {
                let content = with_strength(&content);
                let says_strength = content.to_lowercase().contains("reasoning strength");
                put_system(out, &content, says_strength, conversation);
            }
            "user" => out.puts([START, "user", TEXT, &content, END_OF_TURN]),
            "tool" => {
                let name = result_name(message, &names);
                out.puts([START, "tool ", name, TEXT, "<tool_output name=\"", name, "\">\n"]);
                out.puts([&content, "\n</tool_output>", END_OF_TURN]);
            }
            "assistant" => {
                let goes_on = messages.get(at + 1).is_some_and(|next| next.role == "assistant");
                put_answer(out, message, &content, goes_on);
            }
            _ => {}
        }
    }
    out.puts([START, "assistant"]);
}

fn put_answer(out: &mut Out, message: &Message, content: &str, goes_on: bool) {
    let thinking = &message.thinking;
    if !thinking.is_empty() {
        out.puts([START, "assistant to=self", TEXT, thinking, END]);
    }
    for (at, call) in message.tool_calls.iter().enumerate() {
        out.puts([START, "assistant to=", &call.function.name, TEXT]);
        put_call(out, call);
        let is_last = at + 1 == message.tool_calls.len();
        out.put(if is_last && !goes_on { END_OF_TURN } else { END });
    }
    // Thoughts alone are an answer that was cut off.
    if message.tool_calls.is_empty() && (thinking.is_empty() || !content.is_empty()) {
        out.puts([START, "assistant to=user", TEXT, content, END_OF_TURN]);
    }
}

fn put_call(out: &mut Out, call: &ToolCall) {
    out.puts(["<atem:function_calls>\n<atem:invoke name=\"", &call.function.name, "\">\n"]);
    for (name, value) in call.function.arguments.iter() {
        out.puts(["<atem:parameter name=\"", name, "\">"]);
        match value {
            Value::Null => out.put("null"),
            Value::Array(_) | Value::Object(_) => Json::Plain.put_free(out, value),
            _ => out.put(&go::print(value)),
        }
        out.put("</atem:parameter>\n");
    }
    out.put("</atem:invoke>\n</atem:function_calls>");
}

fn result_name<'a>(message: &'a Message, names: &HashMap<&str, &'a str>) -> &'a str {
    let id = message.tool_call_id.as_str();
    match message.tool_name.as_str() {
        "" if id.is_empty() => "",
        "" => names.get(id).copied().unwrap_or(id),
        name => name,
    }
}

fn default_system(today: Date) -> String {
    format!("You are a helpful AI assistant.\nKnowledge cutoff: 2026-01-04.\nCurrent date: {today}.")
}

/// The model knows efforts as strengths.
fn with_strength(system: &str) -> String {
    let pairs = [("Reasoning ", "effort", "strength"), ("Reasoning ", "Effort", "Strength")];
    let more = [("reasoning ", "effort", "strength"), ("REASONING ", "EFFORT", "STRENGTH")];
    let all = pairs.into_iter().chain(more);
    all.fold(system.to_owned(), |text, (word, from, to)| text.replace(&[word, from].concat(), &[word, to].concat()))
}

fn put_system(out: &mut Out, content: &str, says_strength: bool, conversation: &Conversation<'_>) {
    out.puts([START, "system", TEXT, content]);
    if !says_strength {
        let strength = match conversation.think {
            None | Some(Think::On) => "high",
            Some(Think::Off) => "none",
            Some(level) => level.level_text(),
        };
        out.puts(["\n\nReasoning strength: ", strength, "."]);
    }
    let tools = conversation.tools;
    let namespaces = namespaces(tools);
    if !tools.is_empty() {
        out.puts(["\n\n", TOOLS_BEFORE]);
        for namespace in &namespaces {
            out.put("{\"name\": ");
            Json::Plain.put(out, namespace);
            out.put(", \"description\": \"\"}\n");
        }
        out.put("// Function schemas");
        for tool in tools {
            put_tool(out, tool);
        }
        out.put(TOOLS_AFTER);
    }
    out.put("\n\n# Valid recipients: \"self\"");
    for namespace in namespaces {
        out.puts([", \"", namespace, ".*\""]);
    }
    out.puts([", \"user\".", END_OF_TURN]);
}

fn put_tool(out: &mut Out, tool: &Tool) {
    out.put("\n{\"name\": ");
    Json::Plain.put(out, &tool.function.name);
    out.put(", \"description\": ");
    Json::Plain.put(out, &tool.function.description);
    out.put(", \"parameters\": ");
    put_parameters(out, &tool.function.parameters);
    out.put("}");
}

/// The parts of the tools' names before the first dot, each once.
fn namespaces(tools: &[Tool]) -> Vec<&str> {
    let mut seen = HashSet::new();
    let names = tools.iter().map(|tool| tool.function.name.as_str());
    names
        .map(|name| name.split_once('.').map_or(name, |(before, _)| before))
        .filter(|name| seen.insert(*name))
        .collect()
}
