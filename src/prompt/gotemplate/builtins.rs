//! The functions that look into values or make texts of them: `index`, `slice`, `len`, `html`, `js`, `urlquery` and
//! `toTypeScriptType`.

use std::fmt::Write;

use super::budget::{Budget, Sink};
use super::error::Fail;
use super::print::Printer;
use super::runes::{Rune, is_print, runes};
use super::types::{PROPERTY, RecordType};
use super::value::{List, Record, Value};
use super::{convert, image::Image};

fn wrong<T>(message: impl Into<String>) -> Result<T, Fail> {
    Err(Fail::Wrong(message.into()))
}

/// A position out of a value: between 0 and `most`, both included.
fn position(value: &Value, most: usize) -> Result<usize, Fail> {
    let number = match value {
        Value::Int(number) => *number,
        Value::Byte(byte) => i64::from(*byte),
        Value::Invalid | Value::Nil => return wrong("cannot index slice/array with nil"),
        other => return wrong(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match usize::try_from(number) {
        Ok(position) if position <= most => Ok(position),
        _ => wrong(format!("index out of range: {number}")),
    }
}

/// `index x 1 "a"` is `x[1]["a"]`.
pub(super) fn index(value: &Value, keys: &[Value]) -> Result<Value, Fail> {
    if value.is_nothing() {
        return wrong("index of untyped nil");
    }
    let mut value = value.clone();
    for key in keys {
        value = index_once(&value, key)?;
    }
    Ok(value)
}

fn index_once(value: &Value, key: &Value) -> Result<Value, Fail> {
    let element = match value {
        Value::Text(text) => text.get(position(key, text.len())?).map(|byte| Value::Byte(*byte)),
        Value::Image(image) => image.bytes().get(position(key, image.bytes().len())?).map(|byte| Value::Byte(*byte)),
        Value::List(list) => list.as_slice().get(position(key, list.len())?).cloned(),
        Value::Map(map) => match key {
            Value::Text(key) => Some(map.get(key).cloned().unwrap_or_else(|| convert::zero_of(map.kind))),
            Value::Invalid | Value::Nil => return wrong("value is nil; should be of type string"),
            other => return wrong(format!("value has type {}; should be string", other.type_name())),
        },
        Value::Invalid | Value::Nil | Value::Properties(None) => return wrong("index of nil pointer"),
        other => return wrong(format!("can't index item of type {}", other.type_name())),
    };
    element.map_or_else(|| wrong("reflect: slice index out of range"), Ok)
}

/// `slice x 1 2` is `x[1:2]`. A list may be grown up to what it was cut from, as in Go.
pub(super) fn slice(budget: &mut Budget, value: &Value, bounds: &[Value]) -> Result<Value, Fail> {
    if bounds.len() > 3 {
        return wrong(format!("too many slice indexes: {}", bounds.len()));
    }
    let (length, capacity) = match value {
        Value::Text(_) if bounds.len() == 3 => return wrong("cannot 3-index slice a string"),
        Value::Text(text) => (text.len(), text.len()),
        Value::Image(image) => (image.bytes().len(), image.bytes().len()),
        Value::List(list) => (list.len(), list.capacity()),
        Value::Invalid | Value::Nil => return wrong("slice of untyped nil"),
        Value::Properties(None) => return wrong("slice of nil pointer"),
        other => return wrong(format!("can't slice item of type {}", other.type_name())),
    };
    let mut at = [0, length, capacity];
    for (place, bound) in at.iter_mut().zip(bounds) {
        *place = position(bound, capacity)?;
    }
    let [from, to, limit] = at;
    if from > to {
        return wrong(format!("invalid slice index: {from} > {to}"));
    }
    if to > limit {
        return wrong(format!("invalid slice index: {to} > {limit}"));
    }
    Ok(match value {
        Value::Text(text) => Value::Text(budget.text(|sink| sink.push(&text[from..to]))?),
        Value::Image(image) => {
            let part = budget.text(|sink| sink.push(&image.bytes()[from..to]))?;
            Value::Image(Image::from_bytes(&part).into())
        }
        Value::List(list) => {
            Value::List(List { from: list.from + from, to: list.from + to, limit: list.from + limit, ..list.clone() })
        }
        other => other.clone(),
    })
}

/// `len`.
pub(super) fn len(value: &Value) -> Result<Value, Fail> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Image(image) => image.bytes().len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Invalid | Value::Nil | Value::Properties(None) => return wrong("len of nil pointer"),
        other => return wrong(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(length as i64))
}

/// What an escaping function escapes: a text as it is, everything else as an action would print it.
pub(super) fn write_arguments(sink: &mut Sink, values: &[Value]) {
    let printable = |value: &Value| match value {
        Value::Invalid | Value::Nil => Value::text("<no value>"),
        Value::Pointer(record) => Value::Record(record.clone()),
        other => other.clone(),
    };
    match values {
        [Value::Text(text)] => sink.push(text),
        values => Printer::new(sink).all(&values.iter().map(printable).collect::<Vec<_>>()),
    }
}

/// For HTML.
pub(super) fn write_html(sink: &mut Sink, text: &[u8]) {
    for byte in text {
        match byte {
            0 => sink.push_str("\u{fffd}"),
            b'"' => sink.push_str("&#34;"),
            b'\'' => sink.push_str("&#39;"),
            b'&' => sink.push_str("&amp;"),
            b'<' => sink.push_str("&lt;"),
            b'>' => sink.push_str("&gt;"),
            other => sink.push(&[*other]),
        }
    }
}

/// For JavaScript.
pub(super) fn write_js(sink: &mut Sink, text: &[u8]) {
    for rune in runes(text) {
        let Rune::Char(c) = rune else {
            sink.push_str("\u{fffd}");
            continue;
        };
        match c {
            '\\' => sink.push_str("\\\\"),
            '\'' => sink.push_str("\\'"),
            '"' => sink.push_str("\\\""),
            '\0'..='\x1f' | '<' | '>' | '&' | '=' => sink.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ if c.is_ascii() || is_print(c) => sink.push_str(c.encode_utf8(&mut [0; 4])),
            _ => sink.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
}

/// For the query of a URL.
pub(super) fn write_url_query(sink: &mut Sink, text: &[u8]) {
    let mut escape = String::with_capacity(3);
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => sink.push(&[*byte]),
            b' ' => sink.push_str("+"),
            other => {
                escape.clear();
                // Writing to a String does not fail.
                let _ = write!(escape, "%{other:02X}");
                sink.push_str(&escape);
            }
        }
    }
}

/// The TypeScript type of a tool's property; `any` of everything else.
pub(super) fn write_typescript(sink: &mut Sink, value: &Value) {
    let property = match value {
        Value::Record(record) if is(record, &PROPERTY) => record,
        _ => return sink.push_str("any"),
    };
    let list = |name| match property.get(name) {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    for (at, choice) in list("AnyOf").iter().enumerate() {
        sink.push_str(if at > 0 { " | " } else { "" });
        write_typescript(sink, choice);
    }
    if !list("AnyOf").is_empty() {
        return;
    }
    let types = list("Type");
    for (at, name) in types.iter().enumerate() {
        sink.push_str(if at > 0 { " | " } else { "" });
        sink.push_str(match name {
            Value::Text(name) => match &name[..] {
                b"string" => "string",
                b"number" | b"integer" => "number",
                b"boolean" => "boolean",
                b"array" => "any[]",
                b"object" => "Record<string, any>",
                b"null" => "null",
                _ => "any",
            },
            _ => "any",
        });
    }
    if types.is_empty() {
        sink.push_str("any");
    }
}

fn is(record: &Record, kind: &'static RecordType) -> bool {
    std::ptr::eq(record.kind, kind)
}
