//! A header as JSON: the `model_info` and `projector_info` of a `show` (the behaviour page, section 1.4).

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::model::gguf::{Array, Gguf, Items, Value};

/// Where the number of elements goes, which the file does not have to hold.
const PARAMETER_COUNT: &str = "general.parameter_count";
/// What a `show` leaves out of the model's own keys: the template has a field of its own.
const LEFT_OUT: [&str; 2] = ["general.name", "tokenizer.chat_template"];

/// The keys of a header, sorted as Go sorts a map. Arrays that were skipped are null, empty ones `[]`, and those of
/// bytes base64, as Go's JSON has it; so a header that was read without its arrays gives the short form, and one that was
/// read with them the form of a `verbose` request.
#[derive(Debug, Clone)]
pub struct Info<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Entry<'a> {
    Value(&'a Value),
    Count(u64),
    Text(&'a str),
}

impl<'a> Info<'a> {
    /// The `model_info` of a model.
    pub fn of_model(gguf: &'a Gguf) -> Self {
        let mut info = Self::of_projector(gguf);
        for key in LEFT_OUT {
            info.entries.remove(key);
        }
        info
    }

    /// The `projector_info` of a projector: nothing is left out.
    pub fn of_projector(gguf: &'a Gguf) -> Self {
        let values = gguf.values.iter().map(|(key, value)| (key.as_str(), Entry::Value(value)));
        let count = (PARAMETER_COUNT, Entry::Count(gguf.parameters()));
        Self { entries: values.chain([count]).collect() }
    }

    /// Puts a text in the place of a key: GitHub Copilot is told the name that it asked for as `general.basename`.
    #[must_use]
    pub fn with_text(mut self, key: &'a str, text: &'a str) -> Self {
        self.entries.insert(key, Entry::Text(text));
        self
    }
}

impl Serialize for Info<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (key, entry) in &self.entries {
            match *entry {
                Entry::Value(value) => map.serialize_entry(key, value)?,
                Entry::Count(count) => map.serialize_entry(key, &count)?,
                Entry::Text(text) => map.serialize_entry(key, text)?,
            }
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::U8(value) => value.serialize(serializer),
            Self::I8(value) => value.serialize(serializer),
            Self::U16(value) => value.serialize(serializer),
            Self::I16(value) => value.serialize(serializer),
            Self::U32(value) => value.serialize(serializer),
            Self::I32(value) => value.serialize(serializer),
            Self::F32(value) => value.serialize(serializer),
            Self::Bool(value) => value.serialize(serializer),
            Self::String(value) => value.serialize(serializer),
            Self::Array(Array { items: Some(items), .. }) => items.serialize(serializer),
            Self::Array(Array { items: None, .. }) => serializer.serialize_none(),
            Self::U64(value) => value.serialize(serializer),
            Self::I64(value) => value.serialize(serializer),
            Self::F64(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::U8(items) => serializer.serialize_str(&base64(items)),
            Self::I8(items) => items.serialize(serializer),
            Self::U16(items) => items.serialize(serializer),
            Self::I16(items) => items.serialize(serializer),
            Self::U32(items) => items.serialize(serializer),
            Self::I32(items) => items.serialize(serializer),
            Self::F32(items) => items.serialize(serializer),
            Self::Bool(items) => items.serialize(serializer),
            Self::String(items) => items.serialize(serializer),
            Self::U64(items) => items.serialize(serializer),
            Self::I64(items) => items.serialize(serializer),
            Self::F64(items) => items.serialize(serializer),
        }
    }
}

/// Base64 with padding (RFC 4648, section 4), which Go's JSON makes of a slice of bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize % 64;
            text.push(if digit <= group.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    /// RFC 4648, section 10, and the two last digits.
    #[test]
    fn base64_is_that_of_the_rfc() {
        let table = [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\xfb\xff", "+/8="),
        ];
        for (bytes, want) in table {
            assert_eq!(base64(bytes), want);
        }
    }
}
