//! What Ollama's routes answer, with the fields in its order (the behaviour page, sections 1.1 to 1.3, 1.7, 1.10 and
//! 1.11). Clients of ours read them back, hence `Deserialize`.

use serde::{Deserialize, Serialize};

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

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn is_zero(number: &u64) -> bool {
    *number == 0
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
