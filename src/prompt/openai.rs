//! Messages in OpenAI's shape, which Jinja templates are written for, as Ollama hands them to its engine: thinking of
//! earlier answers is left out, and arguments of calls are text (the behaviour page, section 2.3).

use serde::Serialize;

use crate::model::json;
use crate::model::message::Message;
use crate::model::tool::ToolCall;

#[derive(Serialize)]
struct Turn<'a> {
    role: &'a str,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: String,
}

/// The messages as a JSON array.
///
/// # Errors
/// Never, as far as anyone knows: only maps with keys that are no strings could not be written.
pub fn messages(messages: &[Message]) -> serde_json::Result<String> {
    let turns = messages.iter().map(|message| {
        Ok(Turn {
            role: &message.role,
            content: &message.content,
            tool_calls: message.tool_calls.iter().map(call).collect::<serde_json::Result<_>>()?,
            name: &message.tool_name,
            tool_call_id: &message.tool_call_id,
        })
    });
    serde_json::to_string(&turns.collect::<serde_json::Result<Vec<_>>>()?)
}

fn call(call: &ToolCall) -> serde_json::Result<Call<'_>> {
    let arguments = json::to_vec(&call.function.arguments)?;
    let arguments = String::from_utf8_lossy(&arguments).into_owned();
    Ok(Call { id: &call.id, kind: "function", function: Function { name: &call.function.name, arguments } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_text_and_thinking_stays_behind() {
        for (message, turn) in [
            (r#"{"role":"user","content":"a<b"}"#, r#"{"role":"user","content":"a<b"}"#),
            (r#"{"role":"assistant","content":"","thinking":"hm"}"#, r#"{"role":"assistant","content":""}"#),
            (
                r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"b":{"d":1,"c":2},"a":"é"}}}]}"#,
                r#"{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"b\":{\"c\":2,\"d\":1},\"a\":\"é\"}"}}]}"#,
            ),
            (
                r#"{"role":"tool","content":"21","tool_name":"f","tool_call_id":"c"}"#,
                r#"{"role":"tool","content":"21","name":"f","tool_call_id":"c"}"#,
            ),
        ] {
            let message: Message = serde_json::from_str(message).expect(message);
            assert_eq!(messages(&[message]).expect("JSON"), format!("[{turn}]"));
        }
    }
}
