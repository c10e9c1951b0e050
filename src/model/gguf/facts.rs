//! What the server wants to know of a model without loading it.

use crate::model::gguf::{Footprint, Gguf, Value};

/// The part of a GGUF header that is kept in memory for every model of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `general.architecture`.
    pub architecture: String,
    /// Quantization, such as `Q4_K_M`, or `unknown`.
    pub file_type: &'static str,
    /// Elements of all tensors.
    pub parameters: u64,
    /// Context length that it was trained with, in tokens; 0 where the file does not say.
    pub context_length: u64,
    /// Length of an embedding; 0 where the file does not say.
    pub embedding_length: u64,
    /// Whether it pools its output into one vector: an embedding model.
    pub pools: bool,
    /// Whether it has an encoder for images.
    pub vision: bool,
    /// Whether it has an encoder for sound.
    pub audio: bool,
    /// Whether it is a projector that brings an encoder for sound which Ollama lets be used: not that of Gemma 3n.
    pub hears: bool,
    /// What it takes in memory.
    pub footprint: Footprint,
    /// The Jinja template of its prompts.
    pub chat_template: Option<String>,
}

impl Facts {
    /// Collects them from a header.
    pub fn of(gguf: &Gguf) -> Self {
        let number = |key| gguf.get_own(key).and_then(Value::as_u64).unwrap_or(0);
        let file_type = gguf.get("general.file_type").and_then(Value::as_u64);
        let template = gguf.get("tokenizer.chat_template").and_then(Value::as_str);
        Self {
            architecture: gguf.architecture().to_owned(),
            file_type: file_type.map_or(UNKNOWN, file_type_name),
            parameters: gguf.parameters(),
            context_length: number("context_length"),
            embedding_length: number("embedding_length"),
            pools: gguf.get_own("pooling_type").is_some(),
            vision: gguf.get_own("vision.block_count").is_some(),
            audio: gguf.get_own("audio.block_count").is_some(),
            hears: hears(gguf),
            footprint: Footprint::of(gguf),
            chat_template: template.map(str::to_owned),
        }
    }
}

fn hears(gguf: &Gguf) -> bool {
    let says_so =
        |(key, value): (&String, &Value)| key.ends_with(".has_audio_encoder") && value.as_bool() == Some(true);
    let projector = gguf.get_own("vision.projector_type").and_then(Value::as_str);
    projector != Some("gemma3nv") && gguf.values.iter().any(says_so)
}

/// What Ollama prints for types that it has no name for.
const UNKNOWN: &str = "unknown";

/// The name of a `general.file_type` (llama.cpp's `llama_ftype`), as Ollama prints it. 4 is what older versions of Ollama
/// wrote for MXFP4; llama.cpp no longer uses it.
pub fn file_type_name(number: u64) -> &'static str {
    match number {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        4 => "MXFP4",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        19 => "IQ2_XXS",
        20 => "IQ2_XS",
        21 => "Q2_K_S",
        22 => "IQ3_XS",
        23 => "IQ3_XXS",
        24 => "IQ1_S",
        25 => "IQ4_NL",
        26 => "IQ3_S",
        27 => "IQ3_M",
        28 => "IQ2_S",
        29 => "IQ2_M",
        30 => "IQ4_XS",
        31 => "IQ1_M",
        32 => "BF16",
        36 => "TQ1_0",
        37 => "TQ2_0",
        38 => "MXFP4_MOE",
        39 => "NVFP4",
        40 => "Q1_0",
        41 => "Q2_0",
        _ => UNKNOWN,
    }
}
