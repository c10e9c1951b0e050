//! JSON as Go's `encoding/json` writes it (the behaviour page, section 0.3), so that the blobs we make of a text have
//! the digest that Ollama would give them.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// Writes `value` compactly, as Go's `json.Encoder` would: without spaces, and with a newline at the end.
/// Fields keep the order in which they come; [`sorted`] gives maps theirs.
///
/// # Errors
/// When `value` cannot be JSON, for example a map with keys that are no strings.
pub fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads an object; serde alone would also take an array of its fields.
///
/// # Errors
/// When `bytes` are no JSON object or do not fit `T`.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(serde::de::Error::custom("an object is expected, not an array")),
        _ => serde_json::from_slice(bytes),
    }
}

/// For fields that may be null: Go leaves them as they are then, that is empty.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(decoder: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(decoder)?.unwrap_or_default())
}

/// Sorts the keys of every object in `value`, as Go does with maps.
pub fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

/// Escapes what Go escapes beyond the JSON grammar, and prints numbers as Go prints a `float64`.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            if let Some(char) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(char))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }
}

/// The shortest digits that read back as `value`, with an exponent below 1e-6 and from 1e21.
fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.7, "0.7"),
            (4096.0, "4096"),
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-2.5e-9, "-2.5e-9"),
            (99_999_999_999_999.0, "99999999999999"),
        ];
        for (value, text) in table {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let text = "<a&b>\u{2028}\u{2029}\u{7f}\"\\/\u{8}\u{c}\n\r\t\u{1}é🦙";
        let want = "\"\\u003ca\\u0026b\\u003e\\u2028\\u2029\u{7f}\\\"\\\\/\\b\\f\\n\\r\\t\\u0001é🦙\"\n";
        assert_eq!(String::from_utf8(line(&text).unwrap()).unwrap(), want);
    }

    #[test]
    fn maps_are_sorted_at_every_depth() {
        let value = serde_json::json!({"b": [{"z": 1, "y": 0.5}], "a": null});
        assert_eq!(line(&sorted(value)).unwrap(), b"{\"a\":null,\"b\":[{\"y\":0.5,\"z\":1}]}\n");
    }
}
