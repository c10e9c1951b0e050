//! Why a file is not a GGUF that we take.

use std::io;

use crate::config::limits::{GGUF_ARRAY_MAX, GGUF_HEADER_BYTES, GGUF_KEYS_MAX, GGUF_TENSORS_MAX};

/// Why a file is not a GGUF that we take. Positions count from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Something else entirely.
    #[error("the file is not a GGUF: it does not start with that word")]
    NotGguf,
    /// Version 1, or one of the future.
    #[error("GGUF version {0} is not supported, only 2 and 3 are")]
    Version(u32),
    /// A file of the other byte order: only the version, read the wrong way round, tells.
    #[error("the GGUF is big-endian, only little-endian ones are supported")]
    BigEndian,
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
    /// A key without a name.
    #[error("the GGUF has a key without a name")]
    EmptyKey,
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
    /// A length that ggml reads as a negative number.
    #[error("the tensor {name:?} has a dimension of {dimension}")]
    NegativeDimension {
        /// Which tensor.
        name: String,
        /// The length.
        dimension: i64,
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
    Alignment(u32),
    /// A file of keys alone, such as a vocabulary.
    #[error("the GGUF has no tensors")]
    NoTensors,
    /// No model can be loaded without it.
    #[error("the GGUF lacks the key {0:?}")]
    MissingKey(String),
    /// A key that we know has a value of another type than it must have.
    #[error("the key {key:?} of the GGUF is not {wanted}")]
    KeyType {
        /// Which key.
        key: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A number that we know is out of its range.
    #[error("the key {key:?} of the GGUF is {value}, not between {least} and {most}")]
    KeyRange {
        /// Which key.
        key: String,
        /// Its value.
        value: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// The file could not be read.
    #[error("the GGUF could not be read: {}", .0.kind())]
    Io(#[from] io::Error),
}
