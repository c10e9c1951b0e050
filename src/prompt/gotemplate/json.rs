//! Values as `encoding/json` writes them: structs by their tags, maps sorted, `<`, `>`, `&` and the line separators
//! escaped, stray bytes as U+FFFD.

use super::budget::Sink;
use super::number::json_float;
use super::runes::{Rune, runes};
use super::types::ListType;
use super::value::{List, Record, Value};

/// Writes the JSON of `value`; nothing where Go refuses (complex numbers).
pub(super) fn write(sink: &mut Sink, value: &Value) {
    if sink.is_full() {
        return;
    }
    match value {
        Value::Invalid | Value::Nil | Value::Properties(None) => sink.push_str("null"),
        Value::Bool(truth) => sink.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => sink.push_str(&number.to_string()),
        Value::Byte(byte) => sink.push_str(&byte.to_string()),
        Value::Float(number) => sink.push_str(&json_float(*number)),
        Value::Complex(..) => {}
        Value::Text(text) => write_text(sink, text),
        Value::Image(image) => {
            sink.push_str("\"");
            sink.push_str(image.base64());
            sink.push_str("\"");
        }
        Value::List(list) => write_list(sink, list),
        Value::Map(map) if map.entries.is_none() => sink.push_str("null"),
        Value::Map(map) => write_object(sink, map.iter().map(|(key, value)| (&key[..], value))),
        Value::Properties(Some(properties)) => {
            write_object(sink, properties.0.iter().map(|(key, value)| (&key[..], value)));
        }
        Value::Record(record) | Value::Pointer(record) => write_record(sink, record),
    }
}

fn write_list(sink: &mut Sink, list: &List) {
    if list.items.is_none() {
        sink.push_str("null");
        return;
    }
    // The type of a property is a list only where it has several.
    if let (ListType::PropertyType, [alone]) = (list.kind, list.as_slice()) {
        write(sink, alone);
        return;
    }
    sink.push_str("[");
    for (at, value) in list.as_slice().iter().enumerate() {
        if at > 0 {
            sink.push_str(",");
        }
        write(sink, value);
    }
    sink.push_str("]");
}

fn write_object<'v>(sink: &mut Sink, entries: impl Iterator<Item = (&'v [u8], &'v Value)>) {
    sink.push_str("{");
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            sink.push_str(",");
        }
        write_text(sink, key);
        sink.push_str(":");
        write(sink, value);
    }
    sink.push_str("}");
}

fn write_record(sink: &mut Sink, record: &Record) {
    let is_empty = |value: &Value| match value {
        Value::List(list) => list.len() == 0,
        Value::Text(text) => text.is_empty(),
        other => other.is_nil(),
    };
    let fields = record.kind.fields.iter().zip(&record.fields);
    let fields = fields.filter(|(field, value)| !(field.omits_empty && is_empty(value)));
    write_object(sink, fields.map(|(field, value)| (field.json.as_bytes(), value)));
}

fn write_text(sink: &mut Sink, text: &[u8]) {
    sink.push_str("\"");
    let mut plain = 0;
    let mut at = 0;
    for rune in runes(text) {
        let escape = match rune {
            Rune::Char(c @ ('"' | '\\')) => format!("\\{c}"),
            Rune::Char('\n') => "\\n".to_owned(),
            Rune::Char('\r') => "\\r".to_owned(),
            Rune::Char('\t') => "\\t".to_owned(),
            Rune::Char('\x08') => "\\b".to_owned(),
            Rune::Char('\x0c') => "\\f".to_owned(),
            Rune::Char(c @ ('\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')) => {
                format!("\\u{:04x}", u32::from(c))
            }
            Rune::Stray(_) => "\\ufffd".to_owned(),
            Rune::Char(_) => {
                at += rune.len();
                continue;
            }
        };
        sink.push(&text[plain..at]);
        sink.push_str(&escape);
        at += rune.len();
        plain = at;
    }
    sink.push(&text[plain..]);
    sink.push_str("\"");
}
