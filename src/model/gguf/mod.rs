//! Reads the header of a GGUF file: key-values and the table of tensors, never the weights.
//!
//! The file comes from a client, so every count and length is checked against a limit and against the bytes that are
//! left before anything is allocated for it. The layout is that of ggml's `docs/gguf.md`, versions 2 and 3.

mod cursor;
mod facts;
mod tensor;
mod value;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

use crate::config::limits::{GGUF_ALIGNMENT_MAX, GGUF_ARRAY_MAX, GGUF_HEADER_BYTES, GGUF_KEYS_MAX, GGUF_TENSORS_MAX};
use cursor::Cursor;
pub use facts::{Facts, file_type_name};
pub use tensor::Tensor;
pub use value::{Array, Items, Value};

/// The first four bytes of every GGUF.
pub const MAGIC: [u8; 4] = *b"GGUF";
/// `general.alignment` where the file does not say.
const DEFAULT_ALIGNMENT: u32 = 32;

/// Why a file is not a GGUF that we take. Positions count from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Something else entirely.
    #[error("the file is not a GGUF: it does not start with that word")]
    NotGguf,
    /// Version 1, one of the future, or a file of the other byte order.
    #[error("GGUF version {0} is not supported, only 2 and 3 are")]
    Version(u32),
    /// The file ends, or a length leads past its end.
    #[error("the GGUF is cut short: {wanted} bytes are wanted at byte {at}, {left} are left")]
    Cut {
        /// Where the reader stood.
        at: u64,
        /// Bytes that should follow.
        wanted: u64,
        /// Bytes that do.
        left: u64,
    },
    /// The header alone is longer than [`GGUF_HEADER_BYTES`].
    #[error("the header of the GGUF has more than {GGUF_HEADER_BYTES} bytes")]
    HeaderTooLong,
    /// More than [`GGUF_KEYS_MAX`].
    #[error("the GGUF has {0} keys, more than the {GGUF_KEYS_MAX} allowed")]
    TooManyKeys(u64),
    /// More than [`GGUF_TENSORS_MAX`].
    #[error("the GGUF has {0} tensors, more than the {GGUF_TENSORS_MAX} allowed")]
    TooManyTensors(u64),
    /// More than [`GGUF_ARRAY_MAX`].
    #[error("an array in the GGUF has {0} elements, more than the {GGUF_ARRAY_MAX} allowed")]
    ArrayTooLong(u64),
    /// Longer than its kind may be: values may be longer than names.
    #[error("a text in the GGUF has {bytes} bytes, more than the {most} allowed")]
    StringTooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The name of a key or a tensor.
    #[error("a name at byte {0} of the GGUF is not UTF-8")]
    NotUtf8(u64),
    /// A type of value that there is not.
    #[error("the GGUF has a value of type {0}, which does not exist")]
    ValueType(u32),
    /// An array of arrays: llama.cpp knows none either.
    #[error("the GGUF has an array of arrays")]
    NestedArray,
    /// One key, two values.
    #[error("the GGUF has the key {0:?} twice")]
    DuplicateKey(String),
    /// One name, two tensors.
    #[error("the GGUF has the tensor {0:?} twice")]
    DuplicateTensor(String),
    /// ggml has four at most.
    #[error("the tensor {name:?} has {dimensions} dimensions, more than 4")]
    Dimensions {
        /// Which tensor.
        name: String,
        /// How many it claims.
        dimensions: u32,
    },
    /// The number of elements or bytes does not fit in 63 bits.
    #[error("the tensor {0:?} is larger than any file")]
    TensorTooLarge(String),
    /// A type of tensor that ggml does not have.
    #[error("the tensor {name:?} has the type {kind}, which does not exist")]
    TensorType {
        /// Which tensor.
        name: String,
        /// The number of its type.
        kind: u32,
    },
    /// Rows are made of whole blocks.
    #[error("the rows of tensor {0:?} are not made of whole blocks")]
    PartialBlock(String),
    /// Tensors follow each other without gaps but for the alignment.
    #[error("the tensor {name:?} starts at {offset} instead of {expected}")]
    Offset {
        /// Which tensor.
        name: String,
        /// Where it says that it starts, from the first tensor.
        offset: u64,
        /// Where it has to start.
        expected: u64,
    },
    /// `general.alignment` is no power of two, or too large.
    #[error("the GGUF has an alignment of {0}")]
    Alignment(u64),
    /// The file could not be read.
    #[error("the GGUF could not be read: {}", .0.kind())]
    Io(#[from] io::Error),
}

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
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
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
        let Some(value) = self.get("general.alignment") else {
            return Ok(DEFAULT_ALIGNMENT);
        };
        let value = value.as_u64().unwrap_or(0);
        match u32::try_from(value) {
            Ok(alignment) if alignment.is_power_of_two() && alignment <= GGUF_ALIGNMENT_MAX => Ok(alignment),
            _ => Err(GgufError::Alignment(value)),
        }
    }
}

fn read_values<R: Read>(
    cursor: &mut Cursor<R>,
    count: u64,
    arrays: Arrays,
) -> Result<BTreeMap<String, Value>, GgufError> {
    let mut values = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.name()?;
        let value = Value::read(cursor, arrays)?;
        if values.contains_key(&key) {
            return Err(GgufError::DuplicateKey(key));
        }
        values.insert(key, value);
    }
    Ok(values)
}

fn read_tensors<R: Read>(cursor: &mut Cursor<R>, count: u64) -> Result<Vec<Tensor>, GgufError> {
    let mut tensors = Vec::new();
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
