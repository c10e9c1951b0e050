//! The types that a model can be quantized to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::gguf::file_type_name;

/// A type of weights: one of Ollama's, or one of llama.cpp's others that need no importance matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(u32);

/// Why a model is not quantized, in Ollama's words (the behaviour page, section 6.4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// No such type, or one that only an importance matrix makes usable.
    #[error("unsupported quantization type {0} - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0")]
    Unknown(String),
    /// The weights have lost their precision already.
    #[error("quantization is only supported for F16, BF16 and F32 models")]
    Source,
}

/// The numbers of these types in `general.file_type` (llama.cpp's `llama_ftype`).
const KINDS: [u32; 26] =
    [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 25, 26, 27, 30, 32, 36, 37, 38, 40, 41];
/// Short names of llama.cpp and Ollama.
const ALIASES: [(&str, &str); 3] = [("Q3_K", "Q3_K_M"), ("Q4_K", "Q4_K_M"), ("Q5_K", "Q5_K_M")];

impl Kind {
    /// Its name, as `details` shows it: `Q4_K_M`.
    pub fn name(self) -> &'static str {
        file_type_name(u64::from(self.0))
    }

    /// Its number in `general.file_type`.
    pub fn file_type(self) -> u32 {
        self.0
    }

    /// Whether a model of the type `source` (the name of its file type) has to be quantized to become this one; not if it is
    /// one.
    ///
    /// # Errors
    /// When the source is quantized itself, or does not say what it is.
    pub fn differs_from(self, source: &str) -> Result<bool, KindError> {
        match source {
            "F32" | "F16" | "BF16" => Ok(source != self.name()),
            _ => Err(KindError::Source),
        }
    }

    /// Whether rows are packed in blocks of 256 with scales of their own: llama.cpp's "K-quants".
    fn is_k(self) -> bool {
        matches!(self.0, 10..=18)
    }

    /// Tensors of an architecture that suffer most, and the type that they get instead (the behaviour page, section 6.4).
    pub fn exceptions(self, architecture: &str) -> &'static [Exception] {
        match architecture {
            _ if !self.is_k() => &[],
            "deepseek2" => &[Exception { names: "attn_(k_b|v_b|kv_a_mqa|q_a|q_b)\\.weight", kind: TensorKind::Q8_0 }],
            "gemma3n" => &[Exception { names: "per_layer_token_embd\\.weight", kind: TensorKind::F16 }],
            "glm4" | "glmocr" => &[Exception { names: "^token_embd\\.weight", kind: TensorKind::F16 }],
            "qwen35" | "qwen35moe" => &[Exception { names: "nextn\\.", kind: TensorKind::Q8_0 }],
            _ => &[],
        }
    }
}

/// Tensors that are quantized another way than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// A regular expression (ECMAScript's) that is found in their names.
    pub names: &'static str,
    /// What they become.
    pub kind: TensorKind,
}

/// Types of single tensors, for [`Exception`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// 16-bit floats.
    F16,
    /// Blocks of 32 bytes with one scale.
    Q8_0,
}

impl FromStr for Kind {
    type Err = KindError;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self, KindError> {
        let name = text.to_uppercase();
        let full = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, full)| full);
        let found = KINDS.into_iter().map(Kind).find(|kind| kind.name() == full);
        found.ok_or(KindError::Unknown(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_that_leads_back_to_it() {
        for kind in KINDS.map(Kind) {
            assert_ne!(kind.name(), "unknown");
            assert_eq!(kind.name().to_lowercase().parse(), Ok(kind));
        }
    }

    #[test]
    fn names_as_ollama_reads_them() {
        let rows = [("q4_K_M", "Q4_K_M"), ("Q4_K", "Q4_K_M"), ("bf16", "BF16"), ("f32", "F32"), ("iq4_nl", "IQ4_NL")];
        for (text, name) in rows {
            assert_eq!(text.parse().map(Kind::name), Ok(name));
        }
        // These need an importance matrix, or are nothing at all.
        for text in ["q9", "iq2_xxs", "iq3_xs", "q2_k_s", "nvfp4", "unknown", "mxfp4", ""] {
            let error = text.parse::<Kind>().unwrap_err();
            let name = text.to_uppercase();
            let wanted = "supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0";
            assert_eq!(error.to_string(), format!("unsupported quantization type {name} - {wanted}"));
        }
    }

    #[test]
    fn only_whole_weights_are_quantized() {
        let kind: Kind = "f16".parse().unwrap();
        assert_eq!(kind.differs_from("F16"), Ok(false));
        assert_eq!(kind.differs_from("F32"), Ok(true));
        for source in ["Q8_0", "unknown", "Q4_K_M"] {
            let error = kind.differs_from(source).unwrap_err();
            assert_eq!(error.to_string(), "quantization is only supported for F16, BF16 and F32 models");
        }
    }

    #[test]
    fn exceptions_are_for_k_quants() {
        let exceptions = |kind: &str, architecture| kind.parse::<Kind>().unwrap().exceptions(architecture).len();
        assert_eq!(exceptions("q4_k_m", "deepseek2"), 1);
        assert_eq!(exceptions("q8_0", "deepseek2"), 0);
        assert_eq!(exceptions("q4_k_m", "llama"), 0);
    }
}
