//! JSON as Go's `encoding/json` writes it: compact, `<`, `>`, `&` and the two line separators escaped, numbers as ES6
//! prints them (the behaviour page, section 0.3). Answers and blobs are written so: the blobs that we make of a text
//! have the digest that Ollama would give them.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;

/// The JSON of `value`, without a newline.
///
/// # Errors
/// When a map in `value` has keys that are no strings, or its `Serialize` refuses.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    append(&mut out, value)?;
    Ok(out)
}

/// Writes the JSON of `value` behind what `out` holds.
///
/// # Errors
/// As [`to_vec`]; `out` then ends somewhere inside the value.
pub fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Go))
}

/// Writes `value` compactly, as Go's `json.Encoder` would: without spaces, and with a newline at the end.
/// Fields keep the order in which they come; [`sorted`] gives maps theirs.
///
/// # Errors
/// When `value` cannot be JSON, for example a map with keys that are no strings.
pub fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = to_vec(value)?;
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

/// What `serde_json` leaves open, Go's way. Its own escapes of quotes, backslashes and control characters are Go's.
struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        for (at, byte) in bytes.iter().enumerate() {
            // The line separators U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
            let (escape, length): (&[u8], usize) = match (byte, bytes.get(at + 1..at + 3)) {
                (b'<', _) => (b"\\u003c", 1),
                (b'>', _) => (b"\\u003e", 1),
                (b'&', _) => (b"\\u0026", 1),
                (0xe2, Some([0x80, 0xa8])) => (b"\\u2028", 3),
                (0xe2, Some([0x80, 0xa9])) => (b"\\u2029", 3),
                _ => continue,
            };
            writer.write_all(&bytes[written..at])?;
            writer.write_all(escape)?;
            written = at + length;
        }
        writer.write_all(&bytes[written..])
    }

    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        write_number(writer, value, size != 0.0 && !(1e-6..1e21).contains(&size))
    }

    fn write_f32<W: Write + ?Sized>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        let size = value.abs();
        write_number(writer, value, size != 0.0 && !(1e-6..1e21).contains(&size))
    }
}

/// The shortest digits that give the number back. Rust's `{:e}` differs from Go's exponents in the missing plus sign.
fn write_number<W, N>(writer: &mut W, number: N, exponent: bool) -> io::Result<()>
where
    W: Write + ?Sized,
    N: std::fmt::Display + std::fmt::LowerExp,
{
    if !exponent {
        return write!(writer, "{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => write!(writer, "{digits}e+{power}"),
        _ => writer.write_all(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::{line, sorted, to_vec};

    fn text<T: serde::Serialize>(value: T) -> String {
        String::from_utf8(to_vec(&value).expect("serializable")).expect("UTF-8")
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (value, want) in [
            ("<a href='x'>&amp;</a>", r#""\u003ca href='x'\u003e\u0026amp;\u003c/a\u003e""#),
            ("\"\\/\n\r\t\u{8}\u{c}", r#""\"\\/\n\r\t\b\f""#),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
            ("a\u{2028}b\u{2029}\u{202a}€日", "\"a\\u2028b\\u2029\u{202a}€日\""),
            ("", "\"\""),
            ("<", r#""\u003c""#),
        ] {
            assert_eq!(text(value), want);
        }
    }

    #[test]
    fn keys_are_escaped_too() {
        assert_eq!(text(serde_json::json!({"<k>": null})), r#"{"\u003ck\u003e":null}"#);
    }

    #[test]
    fn floats_are_printed_as_go_does() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (9.99e-7, "9.99e-7"),
            (1.5e-10, "1.5e-10"),
            (-5.960_466_182_841_628e-7, "-5.960466182841628e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(text(value), want);
        }
        for (value, want) in [
            (0.1_f32, "0.1"),
            (16_777_216.0, "16777216"),
            (1e-6, "0.000001"),
            (9e-7, "9e-7"),
            (1e21, "1e+21"),
            (f32::MAX, "3.4028235e+38"),
        ] {
            assert_eq!(text(value), want);
        }
        assert_eq!(text(f64::NAN), "null");
    }

    #[test]
    fn maps_are_sorted_at_every_depth() {
        let value = serde_json::json!({"b": [{"z": 1, "y": 0.5}], "a": null});
        assert_eq!(line(&sorted(value)).unwrap(), b"{\"a\":null,\"b\":[{\"y\":0.5,\"z\":1}]}\n");
    }
}
