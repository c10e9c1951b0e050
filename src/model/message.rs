//! A message of a conversation, as requests and the layer `messages` have it (the behaviour page, sections 1.11 and 4).

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::json;
use crate::model::tool::ToolCall;

/// One message. Fields in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool` or what a template knows; lower case.
    #[serde(default, deserialize_with = "lower_case")]
    pub role: String,
    /// Its text; written even when empty.
    #[serde(default, deserialize_with = "json::or_default")]
    pub content: String,
    /// What the model thought before.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub thinking: String,
    /// Images in base64.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Calls of tools that the assistant made.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The tool that this message answers for.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub tool_name: String,
    /// The call that it answers.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub tool_call_id: String,
}

fn lower_case<'de, D: Deserializer<'de>>(decoder: D) -> Result<String, D::Error> {
    json::or_default::<D, String>(decoder).map(|role| role.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::Message;
    use crate::model::json;

    /// (what is read, what is written for it)
    #[test]
    fn messages_are_written_as_go_writes_them() {
        for (text, want) in [
            (r#"{"role":"User","content":"a"}"#, r#"{"role":"user","content":"a"}"#),
            ("{}", r#"{"role":"","content":""}"#),
            (
                r#"{"role":null,"content":null,"thinking":null,"images":[],"tool_calls":null}"#,
                r#"{"role":"","content":""}"#,
            ),
            (
                r#"{"tool_call_id":"c","tool_name":"f","images":["aaaa"],"thinking":"t","content":"<","role":"tool"}"#,
                r#"{"role":"tool","content":"\u003c","thinking":"t","images":["aaaa"],"tool_name":"f","tool_call_id":"c"}"#,
            ),
        ] {
            let message: Message = serde_json::from_str(text).expect("the row is a message");
            assert_eq!(String::from_utf8(json::to_vec(&message).unwrap()).unwrap(), want);
        }
    }
}
