//! What a template computes with: Go's values as far as templates meet them, each with the type that Go would name.
//!
//! Two kinds of nothing, as in Go's `reflect`: [`Value::Invalid`] is no value at all (a missing key of a map that has
//! no zero), [`Value::Nil`] an empty interface. Fields of the former are nothing again, fields of the latter an error.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::image::Image;
use super::tree::Text;
use super::types::{ListType, MapType, RecordType};

/// A value. Cheap to clone: what is large is shared.
#[derive(Debug, Clone)]
pub enum Value {
    /// No value.
    Invalid,
    /// An interface without a value.
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `uint8`, an element of a text.
    Byte(u8),
    /// `float64`, as every number out of JSON is.
    Float(f64),
    /// `complex128`.
    Complex(f64, f64),
    /// `string`.
    Text(Text),
    /// An image's bytes.
    Image(Rc<Image>),
    /// A slice.
    List(List),
    /// A map.
    Map(Map),
    /// A struct.
    Record(Rc<Record>),
    /// A pointer to a struct.
    Pointer(Rc<Record>),
    /// Properties within a property: a pointer to a map that keeps its order, or nil.
    Properties(Option<Rc<Properties>>),
}

/// A slice: a window on elements that others may share.
#[derive(Debug, Clone)]
pub struct List {
    /// What its elements are.
    pub kind: ListType,
    /// `None`: the nil slice.
    pub items: Option<Rc<[Value]>>,
    /// Where the window begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// How far it may be grown again.
    pub limit: usize,
}

impl List {
    /// A list of all of `items`.
    pub fn new(kind: ListType, items: Option<Vec<Value>>) -> Self {
        let length = items.as_ref().map_or(0, Vec::len);
        Self { kind, items: items.map(Rc::from), from: 0, to: length, limit: length }
    }

    /// What is in the window.
    pub fn as_slice(&self) -> &[Value] {
        self.items.as_deref().and_then(|items| items.get(self.from..self.to)).unwrap_or_default()
    }

    /// Elements in the window.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Elements that the window may be grown to.
    pub fn capacity(&self) -> usize {
        self.limit - self.from
    }
}

/// A map, its keys in Go's order.
#[derive(Debug, Clone)]
pub struct Map {
    /// What its elements are.
    pub kind: MapType,
    /// `None`: the nil map.
    pub entries: Option<Rc<BTreeMap<Text, Value>>>,
}

impl Map {
    /// A map with these entries.
    pub fn new(kind: MapType, entries: Option<BTreeMap<Text, Value>>) -> Self {
        Self { kind, entries: entries.map(Rc::new) }
    }

    /// The element of that key.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.entries.as_ref()?.get(key)
    }

    /// Keys and elements in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.entries.iter().flat_map(|entries| entries.iter())
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.len())
    }
}

/// A struct: values in the order of its type's fields.
#[derive(Debug, Clone)]
pub struct Record {
    /// Names of its fields, and how it prints.
    pub kind: &'static RecordType,
    /// One for each field.
    pub fields: Vec<Value>,
}

impl Record {
    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.kind.fields.iter().position(|field| field.go == name)?;
        self.fields.get(at)
    }
}

/// Properties of a tool in the order in which they came.
#[derive(Debug, Clone)]
pub struct Properties(pub Vec<(Text, Value)>);

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(Arc::from(text.as_bytes()))
    }

    /// Whether it is nothing, of either kind.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Invalid | Self::Nil)
    }

    /// What `if` makes of it: false for nothing, zero and empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Invalid | Self::Nil | Self::Properties(None) => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Image(image) => !image.bytes().is_empty(),
            Self::List(list) => list.len() > 0,
            Self::Map(map) => map.len() > 0,
            Self::Record(_) | Self::Pointer(_) | Self::Properties(Some(_)) => true,
        }
    }

    /// Whether it is nil of its type, as `eq x nil` asks.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Invalid | Self::Nil | Self::Properties(None) => true,
            Self::List(list) => list.items.is_none(),
            Self::Map(map) => map.entries.is_none(),
            _ => false,
        }
    }

    /// Its type as Go names it; of nothing, the interface that it could be in.
    pub fn type_name(&self) -> String {
        let name = match self {
            Self::Invalid | Self::Nil => "interface {}",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Byte(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Image(_) => "api.ImageData",
            Self::List(list) => list.kind.go(),
            Self::Map(map) => map.kind.go(),
            Self::Record(record) => record.kind.go,
            Self::Pointer(record) => return format!("*{}", record.kind.go),
            Self::Properties(_) => "*api.ToolPropertiesMap",
        };
        name.to_owned()
    }

    /// What its `String` method says, where its type has one.
    pub fn stringer(&self) -> Option<Stringer<'_>> {
        match self {
            Self::List(list) if list.kind == ListType::Tools => Some(Stringer::Json),
            Self::List(list) if list.kind == ListType::PropertyType => Some(Stringer::Words(list)),
            Self::Map(map) if matches!(map.kind, MapType::Arguments | MapType::Properties) => Some(match map.entries {
                Some(_) => Stringer::Json,
                None => Stringer::Braces,
            }),
            Self::Record(record) if record.kind.is_json => Some(Stringer::Json),
            _ => None,
        }
    }
}

/// How a value with a `String` method writes itself.
#[derive(Debug, Clone, Copy)]
pub enum Stringer<'a> {
    /// As JSON.
    Json,
    /// `{}`, for a nil map.
    Braces,
    /// The types of a property: one alone as it is, several in brackets.
    Words(&'a List),
}
