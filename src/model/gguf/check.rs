//! What a GGUF has to be before it is loaded: llama.cpp may abort on less.

use crate::config::limits::{GGUF_ALIGNMENT_MAX, GGUF_CONTEXT_MAX, GGUF_EMBEDDING_MAX, GGUF_LAYERS_MAX};
use crate::model::gguf::{Gguf, GgufError, Value};

/// `general.alignment` where the file does not say.
const DEFAULT_ALIGNMENT: u32 = 32;
/// The largest number of llama.cpp's `llama_pooling_type`.
const POOLING_TYPE_MAX: u64 = 4;

/// What a key that we know has to be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    /// Any whole number that is not negative.
    Number,
    /// A number for the whole model, or one for each layer.
    NumberOrList,
    Texts,
}

/// Keys that we or llama.cpp's loader look at, and their types.
const KNOWN: &[(&str, Kind)] = &[
    ("general.architecture", Kind::Text),
    ("general.type", Kind::Text),
    ("general.file_type", Kind::Number),
    ("split.count", Kind::Number),
    ("tokenizer.chat_template", Kind::Text),
    ("tokenizer.ggml.model", Kind::Text),
    ("tokenizer.ggml.pre", Kind::Text),
    ("tokenizer.ggml.tokens", Kind::Texts),
];
/// The same for keys that begin with the architecture.
const KNOWN_OWN: &[(&str, Kind)] = &[
    ("block_count", Kind::Number),
    ("context_length", Kind::Number),
    ("embedding_length", Kind::Number),
    ("feed_forward_length", Kind::NumberOrList),
    ("attention.head_count", Kind::NumberOrList),
    ("attention.head_count_kv", Kind::NumberOrList),
    ("pooling_type", Kind::Number),
    ("vision.block_count", Kind::Number),
    ("audio.block_count", Kind::Number),
];
/// Numbers without which llama.cpp loads no model, and their ranges.
const REQUIRED_OWN: &[(&str, u64, u64)] = &[
    ("block_count", 1, GGUF_LAYERS_MAX),
    ("context_length", 1, GGUF_CONTEXT_MAX),
    ("embedding_length", 1, GGUF_EMBEDDING_MAX),
];
/// Ranges of numbers that may be absent.
const RANGES_OWN: &[(&str, u64, u64)] = &[
    ("pooling_type", 0, POOLING_TYPE_MAX),
    ("vision.block_count", 0, GGUF_LAYERS_MAX),
    ("audio.block_count", 0, GGUF_LAYERS_MAX),
];

impl Gguf {
    /// Proves that the file of `file_bytes` bytes can be a model of text: the keys that it needs are there and have
    /// their types and ranges, and [`Gguf::check_tensors`] holds. Projectors and adapters lack some of these keys.
    ///
    /// # Errors
    /// When that is not so: the first thing that is wrong.
    pub fn check_model(&self, file_bytes: u64) -> Result<(), GgufError> {
        self.check_keys()?;
        if self.tensors.is_empty() {
            return Err(GgufError::NoTensors);
        }
        self.check_tensors(file_bytes)
    }

    /// Proves that the tensors lie one behind the other, aligned, and within a file of `file_bytes` bytes.
    /// [`Gguf::read`] leaves that open, so that a damaged model can still be listed.
    ///
    /// # Errors
    /// When a type, an offset or the alignment is wrong, or the file is too short.
    pub fn check_tensors(&self, file_bytes: u64) -> Result<(), GgufError> {
        let alignment = u64::from(self.alignment()?);
        let start = self.header_bytes.next_multiple_of(alignment);
        let mut expected = 0_u64;
        for tensor in &self.tensors {
            let too_large = || GgufError::TensorTooLarge(tensor.name.clone());
            if tensor.offset != expected {
                return Err(GgufError::Offset { name: tensor.name.clone(), offset: tensor.offset, expected });
            }
            let bytes = tensor.bytes()?;
            let at = start.checked_add(tensor.offset).ok_or_else(too_large)?;
            let left = file_bytes.saturating_sub(at);
            if bytes > left {
                return Err(GgufError::Cut { at, wanted: bytes, left });
            }
            expected = tensor.offset + bytes;
            expected = expected.checked_next_multiple_of(alignment).ok_or_else(too_large)?;
        }
        Ok(())
    }

    fn alignment(&self) -> Result<u32, GgufError> {
        const KEY: &str = "general.alignment";
        match self.get(KEY) {
            None => Ok(DEFAULT_ALIGNMENT),
            Some(&Value::U32(alignment)) if alignment.is_power_of_two() && alignment <= GGUF_ALIGNMENT_MAX => {
                Ok(alignment)
            }
            Some(&Value::U32(alignment)) => Err(GgufError::Alignment(alignment)),
            // ggml takes no other type either.
            Some(_) => Err(GgufError::KeyType { key: KEY.to_owned(), wanted: "a 32-bit number" }),
        }
    }

    fn check_keys(&self) -> Result<(), GgufError> {
        for (key, kind) in KNOWN {
            self.check_kind((*key).to_owned(), *kind)?;
        }
        let architecture = self.get("general.architecture").and_then(Value::as_str).unwrap_or_default();
        if architecture.is_empty() {
            return Err(GgufError::MissingKey("general.architecture".to_owned()));
        }
        for (key, kind) in KNOWN_OWN {
            self.check_kind(self.own(key), *kind)?;
        }
        for &(key, least, most) in REQUIRED_OWN.iter().chain(RANGES_OWN) {
            if let Some(value) = self.get_own(key).and_then(Value::as_u64)
                && !(least..=most).contains(&value)
            {
                return Err(GgufError::KeyRange { key: self.own(key), value, least, most });
            }
        }
        match REQUIRED_OWN.iter().find(|(key, ..)| self.get_own(key).is_none()) {
            Some((key, ..)) => Err(GgufError::MissingKey(self.own(key))),
            None => Ok(()),
        }
    }

    fn check_kind(&self, key: String, kind: Kind) -> Result<(), GgufError> {
        let Some(value) = self.get(&key) else { return Ok(()) };
        let (fits, wanted) = match kind {
            Kind::Text => (value.as_str().is_some(), "a text"),
            Kind::Number => (value.as_u64().is_some(), "a whole number"),
            Kind::NumberOrList => {
                let fits = match value {
                    Value::Array(list) => list.holds_whole_numbers() && list.len <= GGUF_LAYERS_MAX,
                    value => value.as_u64().is_some(),
                };
                (fits, "a whole number or one for each layer")
            }
            Kind::Texts => (matches!(value, Value::Array(list) if list.holds_texts()), "a list of texts"),
        };
        if fits { Ok(()) } else { Err(GgufError::KeyType { key, wanted }) }
    }

    fn own(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture())
    }
}
