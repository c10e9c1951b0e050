//! A naive writer of GGUF files, and random files for it: what the reader has to read back.

use llamero::model::gguf::{Array, Items, Value};
use proptest::prelude::*;

/// A tensor of a file to write. Its offset follows from those before it.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub dimensions: Vec<u64>,
    /// The number of its type, and its bytes in the file.
    pub kind: u32,
    pub bytes: u64,
}

/// A file to write.
#[derive(Debug, Clone)]
pub struct File {
    pub version: u32,
    pub alignment: Option<u32>,
    pub keys: Vec<(String, Value)>,
    pub tensors: Vec<Row>,
}

impl File {
    /// The keys, `general.alignment` among them.
    pub fn all_keys(&self) -> Vec<(String, Value)> {
        let alignment = self.alignment.map(|alignment| ("general.alignment".to_owned(), Value::U32(alignment)));
        self.keys.iter().cloned().chain(alignment).collect()
    }

    /// Where each tensor starts, and where the last one ends.
    pub fn offsets(&self) -> (Vec<u64>, u64) {
        let alignment = u64::from(self.alignment.unwrap_or(32));
        let mut end = 0_u64;
        let starts = self.tensors.iter().map(|row| {
            let start = end.next_multiple_of(alignment);
            end = start + row.bytes;
            start
        });
        (starts.collect(), end)
    }

    /// The whole file; the weights are zeros.
    pub fn write(&self) -> Vec<u8> {
        let keys = self.all_keys();
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((keys.len() as u64).to_le_bytes());
        for (name, value) in &keys {
            text(&mut out, name);
            typed(&mut out, value);
        }
        let (offsets, end) = self.offsets();
        for (row, offset) in self.tensors.iter().zip(offsets) {
            text(&mut out, &row.name);
            out.extend((row.dimensions.len() as u32).to_le_bytes());
            row.dimensions.iter().for_each(|length| out.extend(length.to_le_bytes()));
            out.extend(row.kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        let start = out.len().next_multiple_of(self.alignment.unwrap_or(32) as usize);
        out.resize(start + end as usize, 0);
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Type and value.
fn typed(out: &mut Vec<u8>, value: &Value) {
    let (kind, bytes): (u32, Vec<u8>) = match value {
        Value::U8(value) => (0, value.to_le_bytes().to_vec()),
        Value::I8(value) => (1, value.to_le_bytes().to_vec()),
        Value::U16(value) => (2, value.to_le_bytes().to_vec()),
        Value::I16(value) => (3, value.to_le_bytes().to_vec()),
        Value::U32(value) => (4, value.to_le_bytes().to_vec()),
        Value::I32(value) => (5, value.to_le_bytes().to_vec()),
        Value::F32(value) => (6, value.to_le_bytes().to_vec()),
        Value::Bool(value) => (7, vec![u8::from(*value)]),
        Value::String(value) => (8, with(|out| text(out, value))),
        Value::Array(array) => (9, with(|out| items(out, array))),
        Value::U64(value) => (10, value.to_le_bytes().to_vec()),
        Value::I64(value) => (11, value.to_le_bytes().to_vec()),
        Value::F64(value) => (12, value.to_le_bytes().to_vec()),
    };
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
}

/// Type, number and elements.
fn items(out: &mut Vec<u8>, array: &Array) {
    out.extend(array.kind.to_le_bytes());
    out.extend(array.len.to_le_bytes());
    match array.items.as_ref().expect("arrays to write have elements") {
        Items::U8(items) => out.extend(items),
        Items::I8(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::U16(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::I16(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::U32(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::I32(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::F32(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::Bool(items) => out.extend(items.iter().map(|item| u8::from(*item))),
        Items::String(items) => items.iter().for_each(|item| text(out, item)),
        Items::U64(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::I64(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
        Items::F64(items) => items.iter().for_each(|item| out.extend(item.to_le_bytes())),
    }
}

fn with(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// All floats that are equal to themselves.
fn float32() -> impl Strategy<Value = f32> {
    prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO | prop::num::f32::INFINITE
}

fn float64() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE
}

/// A list of the type `kind`.
fn list<T: std::fmt::Debug, S: Strategy<Value = T>>(
    kind: u32,
    item: S,
    make: fn(Vec<T>) -> Items,
) -> impl Strategy<Value = Value> {
    prop::collection::vec(item, 0..12)
        .prop_map(move |items| Value::Array(Array { len: items.len() as u64, kind, items: Some(make(items)) }))
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        float32().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
    ];
    let wide = prop_oneof![
        ".{0,20}".prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        float64().prop_map(Value::F64),
    ];
    let narrow_list = prop_oneof![
        list(0, any::<u8>(), Items::U8),
        list(1, any::<i8>(), Items::I8),
        list(2, any::<u16>(), Items::U16),
        list(3, any::<i16>(), Items::I16),
        list(4, any::<u32>(), Items::U32),
        list(5, any::<i32>(), Items::I32),
        list(6, float32(), Items::F32),
        list(7, any::<bool>(), Items::Bool),
    ];
    let wide_list = prop_oneof![
        list(8, ".{0,9}", Items::String),
        list(10, any::<u64>(), Items::U64),
        list(11, any::<i64>(), Items::I64),
        list(12, float64(), Items::F64),
    ];
    prop_oneof![scalar, wide, narrow_list, wide_list]
}

/// Types with the elements and the bytes of their blocks: `F32`, `F16`, `Q4_0`, `Q8_0`, `Q4_K`, `I64`.
const TYPES: [(u32, u64, u64); 6] = [(0, 1, 4), (1, 1, 2), (2, 32, 18), (8, 32, 34), (12, 256, 144), (27, 1, 8)];

/// A tensor by everything but its name.
fn row() -> impl Strategy<Value = Row> {
    (prop::sample::select(&TYPES[..]), 0_u64..4, prop::collection::vec(0_u64..4, 0..3)).prop_map(
        |((kind, block, block_bytes), blocks, others)| {
            let dimensions: Vec<_> = [blocks * block].into_iter().chain(others).collect();
            let bytes = dimensions.iter().product::<u64>() / block * block_bytes;
            Row { name: String::new(), dimensions, kind, bytes }
        },
    )
}

/// Any valid file of a few hundred bytes of keys and some tensors.
pub fn file() -> impl Strategy<Value = File> {
    let name = "[a-z]{1,3}(\\.[a-z_]{1,8}){0,2}";
    let keys = prop::collection::btree_map(name, value(), 0..12);
    let rows = prop::collection::vec(row(), 0..6);
    let alignment = prop::option::of((0_u32..8).prop_map(|power| 1 << power));
    (2_u32..=3, alignment, keys, rows).prop_map(|(version, alignment, keys, mut tensors)| {
        for (number, row) in tensors.iter_mut().enumerate() {
            row.name = format!("blk.{number}.é");
        }
        File { version, alignment, keys: keys.into_iter().collect(), tensors }
    })
}
