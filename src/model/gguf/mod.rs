//! Reads the header of a GGUF file: key-values and the table of tensors, never the weights.
//!
//! The file comes from a client, so every count and length is checked against a limit and against the bytes that are
//! left before anything is allocated for it. The layout is that of ggml's `docs/gguf.md`, versions 2 and 3.

mod check;
mod cursor;
mod error;
mod facts;
mod footprint;
mod info;
mod tensor;
mod value;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use crate::config::limits::{GGUF_KEYS_MAX, GGUF_NAME_BYTES, GGUF_TENSORS_MAX};
use cursor::Cursor;
pub use error::GgufError;
pub use facts::{Facts, file_type_name};
pub use footprint::Footprint;
pub use info::Info;
pub use tensor::Tensor;
pub use value::{Array, Items, Value};

/// The first four bytes of every GGUF.
pub const MAGIC: [u8; 4] = *b"GGUF";
/// The least that a key takes: the length of its name, a letter, the type and one byte of value.
const KEY_BYTES_MIN: u64 = 14;
/// The least that a row of the tensor table takes: an empty name, no dimensions, type and offset.
const TENSOR_BYTES_MIN: u64 = 24;

/// Which arrays stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrays {
    /// None: only their type and length. Vocabularies take megabytes, and few callers look at them.
    Skip,
    /// All, within the limits.
    Keep,
}

/// A GGUF header.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf {
    /// 2 or 3.
    pub version: u32,
    /// All keys, sorted.
    pub values: BTreeMap<String, Value>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<Tensor>,
    /// Bytes of the header, from which the data follow after padding to the alignment.
    header_bytes: u64,
}

impl Gguf {
    /// Reads the header of a file of `file_bytes` bytes. Reads ahead, but never past `file_bytes`.
    ///
    /// # Errors
    /// When it is no GGUF of version 2 or 3, breaks the format or a limit, or cannot be read.
    pub fn read(reader: impl Read, file_bytes: u64, arrays: Arrays) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(reader, file_bytes);
        if file_bytes < MAGIC.len() as u64 || cursor.bytes()? != MAGIC {
            return Err(GgufError::NotGguf);
        }
        let version = cursor.u32()?;
        match version {
            2 | 3 => {}
            // As ggml tells the byte order: a small version, read the wrong way round, has its low half empty.
            1.. if version.trailing_zeros() >= 16 => return Err(GgufError::BigEndian),
            _ => return Err(GgufError::Version(version)),
        }
        let tensors = cursor.u64()?;
        if tensors > GGUF_TENSORS_MAX {
            return Err(GgufError::TooManyTensors(tensors));
        }
        let keys = cursor.u64()?;
        if keys > GGUF_KEYS_MAX {
            return Err(GgufError::TooManyKeys(keys));
        }
        let values = read_values(&mut cursor, keys, arrays)?;
        let tensors = read_tensors(&mut cursor, tensors)?;
        Ok(Self { version, values, tensors, header_bytes: cursor.position() })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The value of a key that belongs to the architecture: `block_count` is `llama.block_count`.
    pub fn get_own(&self, key: &str) -> Option<&Value> {
        self.get(&format!("{}.{key}", self.architecture()))
    }

    /// `general.architecture`, or `unknown` as Ollama has it.
    pub fn architecture(&self) -> &str {
        self.get("general.architecture").and_then(Value::as_str).unwrap_or("unknown")
    }

    /// Elements of all tensors together.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.elements))
    }
}

fn read_values<R: Read>(
    cursor: &mut Cursor<R>,
    count: u64,
    arrays: Arrays,
) -> Result<BTreeMap<String, Value>, GgufError> {
    // Neither this nor the table below overflows: both counts are bounded above.
    cursor.need(count * KEY_BYTES_MIN)?;
    let mut values = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.name(GGUF_NAME_BYTES)?;
        if key.is_empty() {
            return Err(GgufError::EmptyKey);
        }
        let value = Value::read(cursor, arrays)?;
        match values.entry(key) {
            Entry::Vacant(place) => _ = place.insert(value),
            Entry::Occupied(double) => return Err(GgufError::DuplicateKey(double.key().clone())),
        }
    }
    Ok(values)
}

fn read_tensors<R: Read>(cursor: &mut Cursor<R>, count: u64) -> Result<Vec<Tensor>, GgufError> {
    cursor.need(count * TENSOR_BYTES_MIN)?;
    let mut tensors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        tensors.push(Tensor::read(cursor)?);
    }
    let mut names = HashSet::with_capacity(tensors.len());
    match tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
        Some(double) => Err(GgufError::DuplicateTensor(double.name.clone())),
        None => Ok(tensors),
    }
}

#[cfg(test)]
mod tests;
