//! What Ollama's routes answer, with the fields in its order (the behaviour page, sections 1.1 to 1.3, 1.7, 1.10 and
//! 1.11). Clients of ours read them back, hence `Deserialize`.

use serde::{Deserialize, Serialize};

use super::types::{Message, ToolCall};
use crate::engine::wire::Details;

/// `{"error":…}`: every refusal, and the last line of a stream that broke off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// A sentence.
    pub error: String,
}

/// `GET /api/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReply {
    /// Three numbers with dots.
    pub version: String,
}

/// An event of `/api/create` and `/api/pull`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    /// What is being done; `success` at the end.
    pub status: String,
    /// What it is being done to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Bytes in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
    /// Bytes so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub completed: u64,
}

/// `GET /api/tags`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsReply {
    /// The newest first.
    pub models: Vec<TagsModel>,
}

/// A model in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsModel {
    /// Display name with its tag.
    pub name: String,
    /// The same.
    pub model: String,
    /// When its manifest was written, in the server's zone ([`super::time::local`]).
    pub modified_at: String,
    /// Bytes of all its layers and its config.
    pub size: u64,
    /// Hex digest of its manifest.
    pub digest: String,
    /// What it is.
    pub details: TagsDetails,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
}

/// What a model is: `ps` does not show the last two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsDetails {
    /// Family, size, quantization.
    #[serde(flatten)]
    pub details: Details,
    /// Tokens that it was trained with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context_length: u64,
    /// Width of its embeddings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub embedding_length: u64,
}

/// `GET /api/ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PsReply {
    /// The one that stays longest first.
    pub models: Vec<PsModel>,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PsModel {
    /// Display name with its tag.
    pub name: String,
    /// The same.
    pub model: String,
    /// Bytes it takes.
    pub size: u64,
    /// Hex digest of its manifest.
    pub digest: String,
    /// What it is.
    pub details: Details,
    /// When it goes, in the server's zone ([`super::time::local`]); centuries away: never.
    pub expires_at: String,
    /// How many of the bytes lie on GPUs.
    pub size_vram: u64,
    /// Tokens of one request's context.
    pub context_length: u32,
}

/// Counts and times of a finished answer; those that are 0 are left out. Durations are nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// From the request to the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total_duration: u64,
    /// From the request to the loaded model.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub load_duration: u64,
    /// Tokens of the prompt, cached ones included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_eval_count: u64,
    /// Time for the new ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_eval_duration: u64,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub eval_count: u64,
    /// Time for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub eval_duration: u64,
}

/// `_debug_info`: the prompt instead of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugInfo {
    /// The prompt as the model would get it.
    pub rendered_template: String,
    /// Images in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub image_count: u64,
}

/// A token and how likely it was (the behaviour page, section 2.7).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Logprob {
    /// The token and its logarithm.
    #[serde(flatten)]
    pub token: TokenLogprob,
    /// Alternatives, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_logprobs: Vec<TokenLogprob>,
}

/// One token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes, which may be part of a character.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bytes: Vec<u8>,
}

/// An event of `/api/generate`, or all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerateReply {
    /// Name as the client wrote it.
    pub model: String,
    /// [`super::time::utc`].
    pub created_at: String,
    /// Text.
    pub response: String,
    /// What the model thought before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thinking: String,
    /// Whether this is the last.
    pub done: bool,
    /// `stop`, `length`, `load`, `unload`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub done_reason: String,
    /// Tokens of prompt and answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<i32>,
    /// Of the last event.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Tools that the model called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// With `_debug_render_only`.
    #[serde(default, rename = "_debug_info", skip_serializing_if = "Option::is_none")]
    pub debug_info: Option<DebugInfo>,
    /// Of this event's tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprob>,
    /// llamero's own: part of the prompt was left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prompt_truncated: bool,
}

/// An event of `/api/chat`, or all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatReply {
    /// Name as the client wrote it.
    pub model: String,
    /// [`super::time::utc`].
    pub created_at: String,
    /// Text, thoughts, calls.
    pub message: Message,
    /// Whether this is the last.
    pub done: bool,
    /// `stop`, `length`, `load`, `unload`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub done_reason: String,
    /// With `_debug_render_only`.
    #[serde(default, rename = "_debug_info", skip_serializing_if = "Option::is_none")]
    pub debug_info: Option<DebugInfo>,
    /// Of this event's tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprob>,
    /// Of the last event.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// llamero's own: part of the conversation was left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prompt_truncated: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn is_false(yes: &bool) -> bool {
    !yes
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::api::json::to_vec;

    /// What is read and written again must come out as it was: the same fields in the same order.
    fn comes_back<T: Serialize + DeserializeOwned>(json: &str) {
        let reply: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        let written = to_vec(&reply).expect("serializable");
        assert_eq!(String::from_utf8(written).as_deref(), Ok(json));
    }

    #[test]
    fn generate() {
        for json in [
            r#"{"model":"m","created_at":"t","response":"","done":true,"done_reason":"load"}"#,
            r#"{"model":"m","created_at":"t","response":"\u003c","done":false}"#,
            r#"{"model":"m","created_at":"t","response":"r","thinking":"t","done":true,"done_reason":"stop","context":[1,2],"total_duration":1,"load_duration":2,"prompt_eval_count":3,"prompt_eval_duration":4,"eval_count":5,"eval_duration":6,"logprobs":[{"token":"a","logprob":-5.960466182841628e-7,"bytes":[97],"top_logprobs":[{"token":"","logprob":-1}]}],"prompt_truncated":true}"#,
            r#"{"model":"m","created_at":"t","response":"","done":false,"_debug_info":{"rendered_template":"x"}}"#,
        ] {
            comes_back::<GenerateReply>(json);
        }
    }

    #[test]
    fn chat() {
        for json in [
            r#"{"model":"m","created_at":"t","message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}"#,
            r#"{"model":"m","created_at":"t","message":{"role":"assistant","content":"","thinking":"t","tool_calls":[{"id":"call_x","function":{"index":0,"name":"f","arguments":{"z":1,"a":2.5}}}]},"done":true,"done_reason":"stop","logprobs":[{"token":"a","logprob":-1}],"total_duration":1,"eval_count":2,"prompt_truncated":true}"#,
            r#"{"model":"m","created_at":"t","message":{"role":"","content":""},"done":false,"_debug_info":{"rendered_template":"x","image_count":1}}"#,
        ] {
            comes_back::<ChatReply>(json);
        }
    }

    #[test]
    fn lists() {
        comes_back::<TagsReply>(r#"{"models":[]}"#);
        comes_back::<TagsReply>(
            r#"{"models":[{"name":"m:latest","model":"m:latest","modified_at":"t","size":1,"digest":"d","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1.12M","quantization_level":"F16","context_length":2048,"embedding_length":128},"capabilities":["completion"]}]}"#,
        );
        comes_back::<PsReply>(
            r#"{"models":[{"name":"m:latest","model":"m:latest","size":2,"digest":"d","details":{"parent_model":"","format":"gguf","family":"llama","families":null,"parameter_size":"","quantization_level":""},"expires_at":"t","size_vram":0,"context_length":2048}]}"#,
        );
    }

    #[test]
    fn small_ones() {
        comes_back::<ErrorReply>(r#"{"error":"model 'x' not found"}"#);
        comes_back::<VersionReply>(r#"{"version":"0.1.0"}"#);
        comes_back::<StatusReply>(r#"{"status":"success"}"#);
        comes_back::<StatusReply>(r#"{"status":"pulling","digest":"sha256:1","total":2,"completed":1}"#);
    }
}
