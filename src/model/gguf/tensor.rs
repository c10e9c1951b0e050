//! One row of a GGUF's table of tensors.

use std::io::Read;

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
        let Some((block, bytes)) = block(self.kind) else {
            return Err(GgufError::TensorType { name: self.name.clone(), kind: self.kind });
        };
        if !self.dimensions.first().unwrap_or(&1).is_multiple_of(block) {
            return Err(GgufError::PartialBlock(self.name.clone()));
        }
        let bytes = (self.elements / block).checked_mul(bytes).filter(|&bytes| i64::try_from(bytes).is_ok());
        bytes.ok_or_else(|| GgufError::TensorTooLarge(self.name.clone()))
    }

    pub(super) fn read<R: Read>(cursor: &mut Cursor<R>) -> Result<Self, GgufError> {
        let name = cursor.name()?;
        let count = cursor.u32()?;
        if count > DIMENSIONS_MAX {
            return Err(GgufError::Dimensions { name, dimensions: count });
        }
        let dimensions = (0..count).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        let elements = dimensions.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
        match elements.filter(|&elements| i64::try_from(elements).is_ok()) {
            Some(elements) => Ok(Self { name, dimensions, kind, offset, elements }),
            None => Err(GgufError::TensorTooLarge(name)),
        }
    }
}

/// Elements and bytes of one block of a tensor type, from ggml's `ggml-common.h` at version 0.26.
#[expect(clippy::match_same_arms, reason = "a row for each type is easier to check")]
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),      // F32, I32
        1 | 25 | 30 => (1, 2), // F16, I16, BF16
        24 => (1, 1),          // I8
        27 | 28 => (1, 8),     // I64, F64
        2 => (32, 18),         // Q4_0
        3 => (32, 20),         // Q4_1
        6 => (32, 22),         // Q5_0
        7 => (32, 24),         // Q5_1
        8 => (32, 34),         // Q8_0
        9 => (32, 36),         // Q8_1
        10 => (256, 84),       // Q2_K
        11 => (256, 110),      // Q3_K
        12 => (256, 144),      // Q4_K
        13 => (256, 176),      // Q5_K
        14 => (256, 210),      // Q6_K
        15 => (256, 292),      // Q8_K
        16 => (256, 66),       // IQ2_XXS
        17 => (256, 74),       // IQ2_XS
        18 => (256, 98),       // IQ3_XXS
        19 => (256, 50),       // IQ1_S
        20 => (32, 18),        // IQ4_NL
        21 => (256, 110),      // IQ3_S
        22 => (256, 82),       // IQ2_S
        23 => (256, 136),      // IQ4_XS
        29 => (256, 56),       // IQ1_M
        34 => (256, 54),       // TQ1_0
        35 => (256, 66),       // TQ2_0
        39 => (32, 17),        // MXFP4
        40 => (64, 36),        // NVFP4
        41 => (128, 18),       // Q1_0
        42 => (64, 18),        // Q2_0
        _ => return None,
    })
}
