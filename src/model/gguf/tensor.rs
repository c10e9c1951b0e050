//! One row of a GGUF's table of tensors.

use std::io::Read;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::config::limits::GGUF_TENSOR_NAME_BYTES;
use crate::model::gguf::GgufError;
use crate::model::gguf::cursor::Cursor;

/// Most dimensions of a tensor in ggml.
const DIMENSIONS_MAX: u32 = 4;

/// What the table says of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Elements along each dimension, the rows' length first; at most four.
    pub dimensions: Vec<u64>,
    /// The number of its type in ggml; not checked when it is read.
    pub kind: u32,
    /// Where its data start, counted from the data of the first tensor.
    pub offset: u64,
    /// The product of the dimensions, below 2^63.
    pub elements: u64,
}

impl Tensor {
    /// Length of its data.
    ///
    /// # Errors
    /// When ggml has no such type, a row is not made of whole blocks, or the length does not fit in 63 bits.
    pub fn bytes(&self) -> Result<u64, GgufError> {
        let Some(Format { block, bytes, .. }) = format(self.kind) else {
            return Err(GgufError::TensorType { name: self.name.clone(), kind: self.kind });
        };
        if !self.dimensions.first().unwrap_or(&1).is_multiple_of(block) {
            return Err(GgufError::PartialBlock(self.name.clone()));
        }
        let bytes = (self.elements / block).checked_mul(bytes).filter(|&bytes| i64::try_from(bytes).is_ok());
        bytes.ok_or_else(|| GgufError::TensorTooLarge(self.name.clone()))
    }

    /// The name of its type, as Ollama prints it: `F16`, `Q4_K`, `unknown`.
    pub fn type_name(&self) -> &'static str {
        format(self.kind).map_or("unknown", |format| format.name)
    }

    pub(super) fn read<R: Read>(cursor: &mut Cursor<R>) -> Result<Self, GgufError> {
        let name = cursor.name(GGUF_TENSOR_NAME_BYTES)?;
        let count = cursor.u32()?;
        if count > DIMENSIONS_MAX {
            return Err(GgufError::Dimensions { name, dimensions: count });
        }
        let mut dimensions = Vec::with_capacity(count as usize);
        for _ in 0..count {
            dimensions.push(cursor.u64()?);
        }
        if let Some(&length) = dimensions.iter().find(|&&length| i64::try_from(length).is_err()) {
            return Err(GgufError::NegativeDimension { name, dimension: length.cast_signed() });
        }
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        let elements = dimensions.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
        match elements.filter(|&elements| i64::try_from(elements).is_ok()) {
            Some(elements) => Ok(Self { name, dimensions, kind, offset, elements }),
            None => Err(GgufError::TensorTooLarge(name)),
        }
    }
}

/// A row of the list of tensors in a `show` (the behaviour page, section 1.4).
impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Tensor", 3)?;
        row.serialize_field("name", &self.name)?;
        row.serialize_field("type", self.type_name())?;
        row.serialize_field("shape", &self.dimensions)?;
        row.end()
    }
}

/// What a tensor type is called and how it is packed.
struct Format {
    name: &'static str,
    /// Elements of one block.
    block: u64,
    /// Bytes of one block.
    bytes: u64,
}

/// The types of ggml 0.26 (`ggml.h` and `ggml-common.h`), but for those that were given up.
fn format(kind: u32) -> Option<Format> {
    let (name, block, bytes) = match kind {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        15 => ("Q8_K", 256, 292),
        16 => ("IQ2_XXS", 256, 66),
        17 => ("IQ2_XS", 256, 74),
        18 => ("IQ3_XXS", 256, 98),
        19 => ("IQ1_S", 256, 50),
        20 => ("IQ4_NL", 32, 18),
        21 => ("IQ3_S", 256, 110),
        22 => ("IQ2_S", 256, 82),
        23 => ("IQ4_XS", 256, 136),
        24 => ("I8", 1, 1),
        25 => ("I16", 1, 2),
        26 => ("I32", 1, 4),
        27 => ("I64", 1, 8),
        28 => ("F64", 1, 8),
        29 => ("IQ1_M", 256, 56),
        30 => ("BF16", 1, 2),
        34 => ("TQ1_0", 256, 54),
        35 => ("TQ2_0", 256, 66),
        39 => ("MXFP4", 32, 17),
        40 => ("NVFP4", 64, 36),
        41 => ("Q1_0", 128, 18),
        42 => ("Q2_0", 64, 18),
        _ => return None,
    };
    Some(Format { name, block, bytes })
}
