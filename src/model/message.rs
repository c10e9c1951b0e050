//! A message as the layer `messages` keeps it (the behaviour page, sections 1.11 and 4).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::json;

/// One message of a conversation that a model starts with. Fields in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    #[serde(default, deserialize_with = "json::or_default")]
    pub role: String,
    /// Its text; written even when empty.
    #[serde(default, deserialize_with = "json::or_default")]
    pub content: String,
    /// What the model thought before.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub thinking: String,
    /// Images in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Calls of tools, as the API has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Value>>,
    /// The tool that this message answers for.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub tool_name: String,
    /// The call that it answers.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub tool_call_id: String,
}
