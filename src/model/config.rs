//! The configuration blob of a model and the `details` made from it (the behaviour page, sections 1.2 and 4).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::limits::MANIFEST_BYTES;
use crate::model::gguf::Facts;
use crate::model::{Layer, Manifest, json};

/// Quantization of a file that does not say.
pub const UNKNOWN_FILE_TYPE: &str = "unknown";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Longer than [`MANIFEST_BYTES`].
    #[error("the configuration has {0} bytes, more than the {MANIFEST_BYTES} allowed")]
    TooLong(u64),
    /// Not the JSON that it should be.
    #[error("the configuration is not valid: {0}")]
    Json(#[from] serde_json::Error),
}

/// The configuration blob, its fields in the order in which they are written. Unknown ones are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `gguf` or `safetensors`.
    #[serde(deserialize_with = "json::or_default")]
    pub model_format: String,
    /// `general.architecture` of the model.
    #[serde(deserialize_with = "json::or_default")]
    pub model_family: String,
    /// All architectures in it; `None` is written as null.
    pub model_families: Option<Vec<String>>,
    /// Parameter size, as [`parameter_size`] writes it.
    #[serde(deserialize_with = "json::or_default")]
    pub model_type: String,
    /// Quantization, such as `Q4_K_M`.
    #[serde(deserialize_with = "json::or_default")]
    pub file_type: String,
    /// Built-in renderer of its prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renderer: Option<String>,
    /// Built-in parser of its answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parser: Option<String>,
    /// Oldest Ollama that runs it; told, never enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// Server of a model that runs elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_host: Option<String>,
    /// Its name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_model: Option<String>,
    /// Capabilities beside those that its files show.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::or_default")]
    pub capabilities: Vec<String>,
    /// Context length in tokens; 0: the GGUF tells.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "json::or_default")]
    pub context_length: u64,
    /// Length of an embedding; 0: the GGUF tells.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "json::or_default")]
    pub embedding_length: u64,
    /// Name of the model that it was trained from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_name: Option<String>,
    /// Its draft model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<Value>,
    /// Always `amd64`.
    #[serde(deserialize_with = "json::or_default")]
    pub architecture: String,
    /// Always `linux`.
    #[serde(deserialize_with = "json::or_default")]
    pub os: String,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is too long or not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let length = bytes.len() as u64;
        if length > MANIFEST_BYTES {
            return Err(ConfigError::TooLong(length));
        }
        Ok(json::object(bytes)?)
    }

    /// The configuration of a model that consists of one GGUF.
    pub fn of_gguf(facts: &Facts) -> Self {
        Self {
            model_format: "gguf".to_owned(),
            model_family: facts.architecture.clone(),
            model_families: Some(vec![facts.architecture.clone()]),
            model_type: parameter_size(facts.parameters),
            file_type: facts.file_type.to_owned(),
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            ..Self::default()
        }
    }
}

/// The `details` object of `tags`; that of `ps` and `show` lacks the two lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Name of the model that this one was made from.
    pub parent_model: String,
    /// `gguf`.
    pub format: String,
    /// `general.architecture`.
    pub family: String,
    /// All architectures in it; `None` is written as null.
    pub families: Option<Vec<String>>,
    /// Such as `1.12M` and `7.2B`.
    pub parameter_size: String,
    /// Such as `F16` and `Q4_K_M`.
    pub quantization_level: String,
    /// Context length that the model was trained with, in tokens; 0 where nobody knows.
    #[serde(skip_serializing_if = "is_zero")]
    pub context_length: u64,
    /// Length of an embedding; 0 where nobody knows.
    #[serde(skip_serializing_if = "is_zero")]
    pub embedding_length: u64,
}

impl Details {
    /// Puts together what the configuration, the manifest and the GGUF's header know.
    pub fn of(manifest: &Manifest, config: &Config, facts: Option<&Facts>) -> Self {
        let parent = manifest.last(Layer::MODEL).and_then(|layer| layer.from.clone());
        let or_facts = |value: u64, of: fn(&Facts) -> u64| if value > 0 { value } else { facts.map_or(0, of) };
        let known = !matches!(config.file_type.as_str(), "" | UNKNOWN_FILE_TYPE);
        Self {
            parent_model: parent.unwrap_or_default(),
            format: config.model_format.clone(),
            family: config.model_family.clone(),
            families: config.model_families.clone(),
            parameter_size: config.model_type.clone(),
            quantization_level: match facts {
                Some(facts) if !known => facts.file_type.to_owned(),
                _ => config.file_type.clone(),
            },
            context_length: or_facts(config.context_length, |facts| facts.context_length),
            embedding_length: or_facts(config.embedding_length, |facts| facts.embedding_length),
        }
    }
}

/// Writes a number of parameters as Ollama does: `7.2B`, `70B`, `1.12M`, `135M`, `80K`, `12`.
pub fn parameter_size(parameters: u64) -> String {
    let scaled = |unit: u64| parameters as f64 / unit as f64;
    let whole = |unit: u64| parameters.is_multiple_of(unit);
    match parameters {
        1_000_000_000.. if whole(1_000_000_000) => format!("{}B", parameters / 1_000_000_000),
        1_000_000_000.. => format!("{:.1}B", scaled(1_000_000_000)),
        1_000_000.. if whole(1_000_000) => format!("{}M", parameters / 1_000_000),
        1_000_000.. => format!("{:.2}M", scaled(1_000_000)),
        1_000.. => format!("{:.0}K", scaled(1_000)),
        _ => parameters.to_string(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_configuration_is_written_back_byte_for_byte() {
        let digest = "sha256-41907159883905adb10c7af67eecf305136e99162976df5000a747e7a58bb296";
        let path = format!("{}/tests/data/stores/ollama/blobs/{digest}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let config = Config::parse(&bytes).unwrap();
        assert_eq!(config.model_type, "1.12M");
        assert_eq!(json::line(&config).unwrap(), bytes);
    }

    #[test]
    fn fields_that_are_null_strange_or_missing_are_read() {
        let config = Config::parse(br#"{"model_family":null,"rootfs":{"type":"layers"},"capabilities":null}"#).unwrap();
        assert_eq!(config, Config::default());
        assert!(matches!(Config::parse(br#"{"os":1}"#), Err(ConfigError::Json(_))));
        assert!(matches!(Config::parse(b" []"), Err(ConfigError::Json(_))));
        let long = vec![b' '; MANIFEST_BYTES as usize + 1];
        assert!(matches!(Config::parse(&long), Err(ConfigError::TooLong(_))));
    }

    #[test]
    fn parameter_sizes_are_rounded_as_ollama_does() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1_000, "1K"),
            (80_400, "80K"),
            (999_999, "1000K"),
            (1_115_520, "1.12M"),
            (2_000_000, "2M"),
            (134_515_008, "134.52M"),
            (999_999_999, "1000.00M"),
            (1_000_000_000, "1B"),
            (7_248_023_552, "7.2B"),
            (70_000_000_001, "70.0B"),
            (1_000_000_000_000, "1000B"),
        ];
        for (parameters, text) in table {
            assert_eq!(parameter_size(parameters), text);
        }
    }
}
