//! JSON in and out, to the rules that Go's `encoding/json` has taught Ollama's clients.
//!
//! In ([`decode`]): the first value of the body counts and what follows it does not; keys match without regard to case;
//! of equal keys the last wins; unknown fields are ignored; null leaves the default. The way: `scan` finds the end of
//! the value and judges its grammar, simd-json turns exactly that into a tape in place, and `tape` is a serde
//! deserializer over the tape that knows these rules. Parts without a type of ours are kept as they are (`free`).
//!
//! Out ([`to_vec`], [`append`]): the bytes that Go would write.

pub mod free;
mod scan;
mod tape;

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::config::limits::{ERROR_TEXT_BYTES, JSON_DEPTH_MAX, JSON_VALUES_MAX};

pub use crate::model::json::{append, to_vec};
pub use crate::model::quote::quote;

/// A body that [`decode`] can read. Give every field that may be missing a `#[serde(default)]`.
///
/// The derived `Deserialize` may use neither `flatten`, `alias` nor enums: the rules for keys stop there.
pub trait Request: DeserializeOwned {
    /// Name of the type in Go: error texts tell it.
    const NAME: &'static str;
    /// Go's types of the arrays and maps among the fields, by path from the root: `("context", "[]int")`.
    const GO_TYPES: &'static [(&'static str, &'static str)] = &[];
}

/// Reads the first JSON value in `body`. The bytes of `body` are used up: strings are unescaped in place.
///
/// # Errors
/// When the body is empty, broken, nested deeper than [`JSON_DEPTH_MAX`], of more than [`JSON_VALUES_MAX`] values, not
/// UTF-8, or has a value of the wrong type.
/// All of them are the client's fault: [`JsonError::STATUS`].
pub fn decode<T: Request>(body: &mut [u8]) -> Result<T, JsonError> {
    let range = scan::first_value(body)?;
    let value = body.get_mut(range).unwrap_or_default();
    let tape = simd_json::to_tape(value).map_err(|error| match error.error() {
        simd_json::ErrorType::InvalidUtf8 => JsonError::NotUtf8,
        simd_json::ErrorType::InvalidNumber => JsonError::NumberRange,
        _ => JsonError::Unreadable,
    })?;
    tape::read(&tape.0, T::NAME, T::GO_TYPES)
}

/// Why a body could not be read. Its text is what the client gets (the behaviour page, section 0.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Nothing but blanks.
    #[error("missing request body")]
    Missing,
    /// The body ends inside its value.
    #[error("unexpected EOF")]
    UnexpectedEnd,
    /// A byte that cannot stand where it does.
    #[error("invalid character {found} {place}")]
    Character {
        /// The byte, quoted.
        found: String,
        /// What was being read.
        place: Cow<'static, str>,
    },
    /// Nested too deep.
    #[error("the JSON body is nested more than {JSON_DEPTH_MAX} levels deep")]
    TooDeep,
    /// Too many values.
    #[error("the JSON body has more than {JSON_VALUES_MAX} values")]
    TooMany,
    /// A string that is not UTF-8.
    #[error("the JSON body is not valid UTF-8")]
    NotUtf8,
    /// A number that no 64-bit float comes near.
    #[error("a number in the JSON body is out of range")]
    NumberRange,
    /// The parser refused what the scan let pass.
    #[error("the JSON body cannot be read")]
    Unreadable,
    /// A value of the wrong type.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// Kind of the value, with the number itself where a whole one was wanted.
        found: String,
        /// `struct field GenerateRequest.stream`, or `value` for the whole body.
        place: String,
        /// Go's type of the field.
        wanted: String,
    },
    /// A value that a field's own rule refuses, in that rule's words.
    #[error("{0}")]
    Value(String),
}

impl JsonError {
    /// The status of every one of them.
    pub const STATUS: u16 = 400;
}

impl serde::de::Error for JsonError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Value(clip(message.to_string()))
    }
}

/// Cuts an error text at [`ERROR_TEXT_BYTES`].
pub fn clip(mut text: String) -> String {
    if text.len() > ERROR_TEXT_BYTES {
        text.truncate(prefix(&text, ERROR_TEXT_BYTES).len());
        text.push('…');
    }
    text
}

/// The front of `text`, at most `most` bytes of it, with no character cut.
pub fn prefix(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
