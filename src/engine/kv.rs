//! What the KV memory is made of: types of numbers, and flash attention, which decides what it can be made of
//! (`OLLAMA_KV_CACHE_TYPE` and `OLLAMA_FLASH_ATTENTION`, the behaviour page, section 8.5).

use serde::{Deserialize, Serialize};

/// Elements of a block of every type that packs some together; of the others as many are counted.
const BLOCK: u64 = 32;

/// A type of numbers: those that llama.cpp keeps keys and values in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are ggml's types, by their names")]
pub enum KvType {
    F32,
    #[default]
    F16,
    Bf16,
    Q8_0,
    Q5_1,
    Q5_0,
    Q4_1,
    Q4_0,
    Iq4Nl,
}

/// The types by their names in `OLLAMA_KV_CACHE_TYPE`, and the bytes of 32 numbers.
const TYPES: [(&str, KvType, u64); 9] = [
    ("f32", KvType::F32, 128),
    ("f16", KvType::F16, 64),
    ("bf16", KvType::Bf16, 64),
    ("q8_0", KvType::Q8_0, 34),
    ("q5_1", KvType::Q5_1, 24),
    ("q5_0", KvType::Q5_0, 22),
    ("q4_1", KvType::Q4_1, 20),
    ("q4_0", KvType::Q4_0, 18),
    ("iq4_nl", KvType::Iq4Nl, 18),
];

impl KvType {
    /// The type of this name in lower case; `None`: there is none.
    pub fn named(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind)
    }

    /// The names of all types.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, ..)| *name)
    }

    /// Bytes that so many numbers take.
    pub fn bytes(self, numbers: u64) -> u64 {
        let block = TYPES.iter().find(|(_, kind, _)| *kind == self).map_or(128, |(.., bytes)| *bytes);
        numbers.div_ceil(BLOCK).saturating_mul(block)
    }

    /// Whether numbers are packed in blocks, which only flash attention reads as values.
    pub fn is_quantized(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }
}

/// How the KV memory of models is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvCache {
    /// On or off; `None`: where the device can.
    pub flash_attention: Option<bool>,
    /// Of the keys.
    pub keys: KvType,
    /// Of the values.
    pub values: KvType,
}

impl KvCache {
    /// What the two settings come to. Without flash attention values cannot be quantized and stay f16.
    pub fn of(flash_attention: Option<bool>, kind: KvType) -> Self {
        let unreadable = kind.is_quantized() && flash_attention == Some(false);
        Self { flash_attention, keys: kind, values: if unreadable { KvType::F16 } else { kind } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_name_and_take_what_ggml_says() {
        let rows = [("f32", 4096), ("f16", 2048), ("bf16", 2048), ("q8_0", 1088), ("q5_1", 768), ("q4_0", 576)];
        for (name, bytes) in rows {
            assert_eq!(KvType::named(name).map(|kind| kind.bytes(1024)), Some(bytes), "{name}");
        }
        assert_eq!(KvType::named("q9_9"), None);
        assert_eq!(KvType::names().count(), 9);
    }

    #[test]
    fn values_are_quantized_only_with_flash_attention() {
        let kinds = |flash, kind| (KvCache::of(flash, kind).keys, KvCache::of(flash, kind).values);
        assert_eq!(kinds(None, KvType::Q8_0), (KvType::Q8_0, KvType::Q8_0));
        assert_eq!(kinds(Some(true), KvType::Q8_0), (KvType::Q8_0, KvType::Q8_0));
        assert_eq!(kinds(Some(false), KvType::Q8_0), (KvType::Q8_0, KvType::F16));
        assert_eq!(kinds(Some(false), KvType::Bf16), (KvType::Bf16, KvType::Bf16));
    }
}
