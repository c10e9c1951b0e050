//! The values of a GGUF's keys.

use std::io::Read;

use crate::config::limits::GGUF_ARRAY_MAX;
use crate::model::gguf::cursor::Cursor;
use crate::model::gguf::{Arrays, GgufError};

/// The type number of a text.
const STRING: u32 = 8;
/// The type number of an array.
const ARRAY: u32 = 9;

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the types of the format, by their names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array: how long it is, and what is in it if that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Number of elements.
    pub len: u64,
    /// The number of the elements' type in the format.
    pub kind: u32,
    /// The elements; `None` where they were skipped. An empty array has nothing to skip.
    pub items: Option<Items>,
}

impl Array {
    /// Whether it holds texts.
    pub fn holds_texts(&self) -> bool {
        self.kind == STRING
    }

    /// Whether it holds whole numbers.
    pub fn holds_whole_numbers(&self) -> bool {
        matches!(self.kind, 0..=5 | 10 | 11)
    }
}

/// The elements of an array, as tightly as they lie in the file.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the types of the format, by their names")]
pub enum Items {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl Value {
    /// Any whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// Yes or no.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Reads the type and then the value.
    pub(super) fn read<R: Read>(cursor: &mut Cursor<R>, arrays: Arrays) -> Result<Self, GgufError> {
        Ok(match cursor.u32()? {
            0 => Self::U8(u8::from_le_bytes(cursor.bytes()?)),
            1 => Self::I8(i8::from_le_bytes(cursor.bytes()?)),
            2 => Self::U16(u16::from_le_bytes(cursor.bytes()?)),
            3 => Self::I16(i16::from_le_bytes(cursor.bytes()?)),
            4 => Self::U32(u32::from_le_bytes(cursor.bytes()?)),
            5 => Self::I32(i32::from_le_bytes(cursor.bytes()?)),
            6 => Self::F32(f32::from_le_bytes(cursor.bytes()?)),
            7 => Self::Bool(cursor.bytes::<1>()? != [0]),
            STRING => Self::String(cursor.string()?),
            ARRAY => Self::Array(read_array(cursor, arrays)?),
            10 => Self::U64(u64::from_le_bytes(cursor.bytes()?)),
            11 => Self::I64(i64::from_le_bytes(cursor.bytes()?)),
            12 => Self::F64(f64::from_le_bytes(cursor.bytes()?)),
            kind => return Err(GgufError::ValueType(kind)),
        })
    }
}

/// The least that an element takes in the file.
fn element_bytes(kind: u32) -> Result<u64, GgufError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        // A text has at least its length.
        STRING | 10..=12 => Ok(8),
        ARRAY => Err(GgufError::NestedArray),
        kind => Err(GgufError::ValueType(kind)),
    }
}

fn read_array<R: Read>(cursor: &mut Cursor<R>, arrays: Arrays) -> Result<Array, GgufError> {
    let kind = cursor.u32()?;
    let each = element_bytes(kind)?;
    let len = cursor.u64()?;
    if len > GGUF_ARRAY_MAX {
        return Err(GgufError::ArrayTooLong(len));
    }
    // Neither overflows: `len` is bounded above.
    cursor.need(len * each)?;
    let items = match (arrays, kind) {
        (Arrays::Keep, _) => Some(read_items(cursor, kind, len as usize)?),
        _ if len == 0 => Some(read_items(cursor, kind, 0)?),
        (Arrays::Skip, STRING) => {
            for _ in 0..len {
                cursor.skip_string()?;
            }
            None
        }
        (Arrays::Skip, _) => {
            cursor.skip(len * each)?;
            None
        }
    };
    Ok(Array { len, kind, items })
}

/// Reads `len` elements; the caller has made sure that the file has as many.
fn read_items<R: Read>(cursor: &mut Cursor<R>, kind: u32, len: usize) -> Result<Items, GgufError> {
    fn each<R: Read, T>(
        cursor: &mut Cursor<R>,
        len: usize,
        read: fn(&mut Cursor<R>) -> Result<T, GgufError>,
    ) -> Result<Vec<T>, GgufError> {
        // Not collected: that would grow step by step, to twice what is needed.
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(read(cursor)?);
        }
        Ok(items)
    }
    Ok(match kind {
        0 => Items::U8(each(cursor, len, |cursor| cursor.bytes().map(u8::from_le_bytes))?),
        1 => Items::I8(each(cursor, len, |cursor| cursor.bytes().map(i8::from_le_bytes))?),
        2 => Items::U16(each(cursor, len, |cursor| cursor.bytes().map(u16::from_le_bytes))?),
        3 => Items::I16(each(cursor, len, |cursor| cursor.bytes().map(i16::from_le_bytes))?),
        4 => Items::U32(each(cursor, len, |cursor| cursor.bytes().map(u32::from_le_bytes))?),
        5 => Items::I32(each(cursor, len, |cursor| cursor.bytes().map(i32::from_le_bytes))?),
        6 => Items::F32(each(cursor, len, |cursor| cursor.bytes().map(f32::from_le_bytes))?),
        7 => Items::Bool(each(cursor, len, |cursor| Ok(cursor.bytes::<1>()? != [0]))?),
        STRING => Items::String(each(cursor, len, Cursor::string)?),
        10 => Items::U64(each(cursor, len, |cursor| cursor.bytes().map(u64::from_le_bytes))?),
        11 => Items::I64(each(cursor, len, |cursor| cursor.bytes().map(i64::from_le_bytes))?),
        12 => Items::F64(each(cursor, len, |cursor| cursor.bytes().map(f64::from_le_bytes))?),
        kind => return Err(GgufError::ValueType(kind)),
    })
}
