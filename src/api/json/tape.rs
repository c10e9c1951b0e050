//! A serde deserializer over simd-json's tape that follows Go's rules for keys and nulls, and words its errors as Go
//! does.
//!
//! The tape lists a value's nodes depth first; an array or object tells how many nodes lie inside it, so skipping one
//! is a step. A struct looks at all pairs of its object once and keeps, for each field, the last one. Recursion is as
//! deep as the JSON, which `scan` has bounded.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use simd_json::{Node, StaticNode};

use super::JsonError;

/// Reads a `T` from a tape. `name` and `go_types` are those of [`super::Request`].
pub(super) fn read<T: DeserializeOwned>(
    tape: &[Node<'_>],
    name: &'static str,
    go_types: &'static [(&'static str, &'static str)],
) -> Result<T, JsonError> {
    let root = Root { name, go_types };
    T::deserialize(Value { nodes: tape, earlier: None, place: Place { root: &root, step: None } })
}

/// What error texts tell of the whole body's type.
struct Root {
    name: &'static str,
    go_types: &'static [(&'static str, &'static str)],
}

/// A field on the way from the body to a value. Array elements and map entries add no step, as in Go.
struct Step<'p> {
    field: &'static str,
    above: Option<&'p Step<'p>>,
}

impl Step<'_> {
    fn path(&self) -> String {
        match self.above {
            Some(above) => format!("{}.{}", above.path(), self.field),
            None => self.field.to_owned(),
        }
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    root: &'p Root,
    step: Option<&'p Step<'p>>,
}

/// A value: the first of `nodes` and those inside it. More nodes may follow.
#[derive(Clone, Copy)]
struct Value<'p, 'de> {
    nodes: &'p [Node<'de>],
    /// The last value under the same key that was not null, when this one is: to Go, null means "leave it", but an
    /// optional field (a pointer there) becomes nothing.
    earlier: Option<&'p [Node<'de>]>,
    place: Place<'p>,
}

/// Number of nodes of the value that `nodes` begins with.
fn span(nodes: &[Node<'_>]) -> usize {
    match nodes.first() {
        Some(Node::Object { count, .. } | Node::Array { count, .. }) => 1 + count,
        _ => 1,
    }
}

/// Cuts the first value off `nodes`, which then begins with the next one.
fn cut<'p, 'de>(nodes: &mut &'p [Node<'de>]) -> &'p [Node<'de>] {
    let (value, rest) = nodes.split_at_checked(span(nodes)).unwrap_or((nodes, &[]));
    *nodes = rest;
    value
}

fn is_null(nodes: &[Node<'_>]) -> bool {
    matches!(nodes.first(), None | Some(Node::Static(StaticNode::Null)))
}

/// The nodes inside an array or object.
fn inside<'p, 'de>(nodes: &'p [Node<'de>]) -> &'p [Node<'de>] {
    nodes.get(1..span(nodes)).unwrap_or_default()
}

impl<'p, 'de> Value<'p, 'de> {
    /// The value itself, or the one before it where it is null and its type has no null.
    fn node(&self) -> (Node<'de>, &'p [Node<'de>]) {
        let nodes = self.earlier.unwrap_or(self.nodes);
        (nodes.first().copied().unwrap_or(Node::Static(StaticNode::Null)), inside(nodes))
    }

    fn mismatch(&self, wanted: &str) -> JsonError {
        let found = match self.node().0 {
            Node::String(_) => "string".to_owned(),
            Node::Object { .. } => "object".to_owned(),
            Node::Array { .. } => "array".to_owned(),
            Node::Static(StaticNode::Bool(_)) => "bool".to_owned(),
            Node::Static(StaticNode::Null) => "null".to_owned(),
            Node::Static(number) if wanted == "int" => format!("number {number}"),
            Node::Static(_) => "number".to_owned(),
        };
        let Place { root, step } = self.place;
        let (place, wanted) = match step {
            Some(step) => (format!("struct field {}.{}", root.name, step.path()), wanted.to_owned()),
            None => ("value".to_owned(), format!("api.{}", root.name)),
        };
        JsonError::Type { found, place, wanted }
    }

    /// As [`Self::mismatch`], for arrays and maps, whose type in Go serde does not know.
    fn mismatch_listed(&self, otherwise: &str) -> JsonError {
        let path = self.place.step.map(Step::path).unwrap_or_default();
        let listed = self.place.root.go_types.iter().find(|(field, _)| *field == path);
        self.mismatch(listed.map_or(otherwise, |(_, go_type)| go_type))
    }
}

/// Scalars: the value, or Go's zero value for null, or Go's error.
impl<'de> Value<'_, 'de> {
    fn boolean<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node().0 {
            Node::Static(StaticNode::Bool(yes)) => visitor.visit_bool(yes),
            Node::Static(StaticNode::Null) => visitor.visit_bool(false),
            _ => Err(self.mismatch("bool")),
        }
    }

    fn whole<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let outcome: Result<V::Value, JsonError> = match self.node().0 {
            Node::Static(StaticNode::I64(number)) => visitor.visit_i64(number),
            Node::Static(StaticNode::U64(number)) => visitor.visit_u64(number),
            Node::Static(StaticNode::Null) => visitor.visit_u64(0),
            _ => return Err(self.mismatch("int")),
        };
        // The visitor refuses what does not fit its type.
        outcome.map_err(|_| self.mismatch("int"))
    }

    fn fraction<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node().0 {
            Node::Static(StaticNode::F64(number)) => visitor.visit_f64(number),
            Node::Static(StaticNode::I64(number)) => visitor.visit_i64(number),
            Node::Static(StaticNode::U64(number)) => visitor.visit_u64(number),
            Node::Static(StaticNode::Null) => visitor.visit_u64(0),
            _ => Err(self.mismatch("float64")),
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node().0 {
            Node::String(text) => visitor.visit_borrowed_str(text),
            Node::Static(StaticNode::Null) => visitor.visit_borrowed_str(""),
            _ => Err(self.mismatch("string")),
        }
    }
}

/// Hands serde's methods for the widths of a scalar to one of the readers above.
macro_rules! read_by {
    ($reader:ident: $($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            self.$reader(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = JsonError;

    read_by! { boolean: deserialize_bool }
    read_by! { whole: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    read_by! { whole: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    read_by! { fraction: deserialize_f32 deserialize_f64 }
    read_by! { text: deserialize_str deserialize_string deserialize_identifier }

    /// For types that look at what there is: every kind of value comes as it stands.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let (node, inside) = self.node();
        match node {
            Node::String(text) => visitor.visit_borrowed_str(text),
            Node::Static(StaticNode::Bool(yes)) => visitor.visit_bool(yes),
            Node::Static(StaticNode::I64(number)) => visitor.visit_i64(number),
            Node::Static(StaticNode::U64(number)) => visitor.visit_u64(number),
            Node::Static(StaticNode::F64(number)) => visitor.visit_f64(number),
            Node::Static(StaticNode::Null) => visitor.visit_unit(),
            Node::Array { .. } => visitor.visit_seq(Elements { nodes: inside, place: self.place }),
            Node::Object { .. } => visitor.visit_map(Entries { nodes: inside, place: self.place }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if is_null(self.nodes) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node() {
            (Node::Array { .. } | Node::Static(StaticNode::Null), nodes) => {
                visitor.visit_seq(Elements { nodes, place: self.place })
            }
            _ => Err(self.mismatch_listed("[]interface {}")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node() {
            (Node::Object { .. } | Node::Static(StaticNode::Null), nodes) => {
                visitor.visit_map(Entries { nodes, place: self.place })
            }
            _ => Err(self.mismatch_listed("map[string]interface {}")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.node() {
            (Node::Object { .. } | Node::Static(StaticNode::Null), nodes) => {
                visitor.visit_map(Fields::new(nodes, fields, self.place))
            }
            _ => Err(self.mismatch(&format!("api.{name}"))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple tuple_struct enum
    }
}

/// The elements of an array.
struct Elements<'p, 'de> {
    nodes: &'p [Node<'de>],
    place: Place<'p>,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        if self.nodes.is_empty() {
            return Ok(None);
        }
        let nodes = cut(&mut self.nodes);
        seed.deserialize(Value { nodes, earlier: None, place: self.place }).map(Some)
    }
}

/// The entries of an object that becomes a map: every key as it is written. Of equal ones the last is inserted last.
struct Entries<'p, 'de> {
    nodes: &'p [Node<'de>],
    place: Place<'p>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        if self.nodes.is_empty() {
            return Ok(None);
        }
        let nodes = cut(&mut self.nodes);
        seed.deserialize(Value { nodes, earlier: None, place: self.place }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        let nodes = cut(&mut self.nodes);
        seed.deserialize(Value { nodes, earlier: None, place: self.place })
    }
}

/// One field that an object sets.
struct Field<'p, 'de> {
    name: &'static str,
    last: &'p [Node<'de>],
    last_set: Option<&'p [Node<'de>]>,
}

/// The pairs of an object that becomes a struct.
struct Fields<'p, 'de> {
    /// In reverse, so that the next one is the last.
    found: Vec<Field<'p, 'de>>,
    place: Place<'p>,
}

impl<'p, 'de> Fields<'p, 'de> {
    fn new(mut nodes: &'p [Node<'de>], names: &'static [&'static str], place: Place<'p>) -> Self {
        let mut found: Vec<Field<'p, 'de>> = Vec::with_capacity(names.len());
        while let Some(Node::String(key)) = nodes.first() {
            cut(&mut nodes);
            let value = cut(&mut nodes);
            let Some(name) = names.iter().find(|name| same_folded(key, name)) else { continue };
            let set = (!is_null(value)).then_some(value);
            match found.iter_mut().find(|field| field.name == *name) {
                Some(field) => {
                    field.last = value;
                    field.last_set = set.or(field.last_set);
                }
                None => found.push(Field { name, last: value, last_set: set }),
            }
        }
        // A field that was only ever null stays away, and so at its default.
        found.retain(|field| field.last_set.is_some());
        found.reverse();
        Self { found, place }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        let Some(field) = self.found.last() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(field.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        let Some(field) = self.found.pop() else {
            return Err(JsonError::custom("a field's value was asked for before its key"));
        };
        let step = Step { field: field.name, above: self.place.step };
        let place = Place { root: self.place.root, step: Some(&step) };
        let earlier = field.last_set.filter(|_| is_null(field.last));
        seed.deserialize(Value { nodes: field.last, earlier, place })
    }
}

/// Whether a key names a field. Go folds by Unicode's simple case folding; two characters outside ASCII fold into it.
fn same_folded(key: &str, name: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(name);
    }
    let folded = key.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|character| character.to_ascii_lowercase()))
}
