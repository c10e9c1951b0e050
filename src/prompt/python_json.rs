//! JSON as Python's `json.dumps` writes it: what `tojson` means in the chat templates of Hugging Face's transformers
//! (`chat_template_utils.py`), and what models were trained on.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// The arguments of `tojson`.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Spaces of each level; `None`: all in one line.
    pub(super) indent: Option<usize>,
    /// What stands between entries.
    pub(super) between_items: String,
    /// What stands between a key and its value.
    pub(super) after_key: String,
    /// Write everything that is not ASCII as `\uXXXX`.
    pub(super) ascii: bool,
    /// Order keys by their text.
    pub(super) sort_keys: bool,
}

impl Style {
    /// Python's defaults: `", "` and `": "`; with an indent the line break takes the place of the space.
    pub(super) fn new(indent: Option<usize>) -> Self {
        let between_items = if indent.is_some() { "," } else { ", " };
        Self { indent, between_items: between_items.into(), after_key: ": ".into(), ascii: false, sort_keys: false }
    }
}

/// Writes `value` in `style`.
///
/// # Errors
/// None for a value that came from JSON; serde's signature.
pub(super) fn dumps(value: &Value, style: &Style) -> serde_json::Result<String> {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Python { style, depth: 0, is_empty: true });
    if style.sort_keys {
        let mut sorted = value.clone();
        sorted.sort_all_objects();
        sorted.serialize(&mut serializer)?;
    } else {
        value.serialize(&mut serializer)?;
    }
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// The hooks that `serde_json` writes through.
struct Python<'a> {
    style: &'a Style,
    depth: usize,
    /// Nothing has been written into the innermost array or object: Python closes it on the same line.
    is_empty: bool,
}

impl Python<'_> {
    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.break_line(writer)?;
        }
        self.is_empty = false;
        writer.write_all(bracket)
    }

    fn begin_entry<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.style.between_items.as_bytes())?;
        }
        self.is_empty = false;
        self.break_line(writer)
    }

    fn break_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        let Some(indent) = self.style.indent else { return Ok(()) };
        write!(writer, "\n{:1$}", "", indent * self.depth)
    }
}

impl Formatter for Python<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_entry(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_entry(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.style.after_key.as_bytes())
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }

    /// Rust's debug format changes to exponents where Python does, but does not sign them or give them two digits:
    /// `1e+16`, `1e-05`.
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let digits = format!("{value:?}");
        let Some((mantissa, exponent)) = digits.split_once('e') else { return writer.write_all(digits.as_bytes()) };
        let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
        write!(writer, "{mantissa}e{sign}{number:0>2}")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.style.ascii {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(&[character as u8])?;
            } else {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str, style: &Style) -> String {
        let value: Value = serde_json::from_str(json).expect("the row is JSON");
        dumps(&value, style).expect("JSON can be written")
    }

    #[test]
    fn one_line_is_as_python_writes_it() {
        let rows = [
            (r#"{"b":1,"a":[1,2,{"c":null}]}"#, r#"{"b": 1, "a": [1, 2, {"c": null}]}"#),
            ("[]", "[]"),
            ("{}", "{}"),
            (r#"[{},[],""]"#, r#"[{}, [], ""]"#),
            ("[true,false,null]", "[true, false, null]"),
            (r#""<a href='x'>&é🚀\u2028""#, "\"<a href='x'>&é🚀\u{2028}\""),
            (r#""\"\\\/\b\f\n\r\t\u0001""#, r#""\"\\/\b\f\n\r\t\u0001""#),
            (
                "[1.0,0.5,-0.0,1e15,1e16,1.5e300,1e-4,1e-5,2.5e-10]",
                "[1.0, 0.5, -0.0, 1000000000000000.0, 1e+16, 1.5e+300, 0.0001, 1e-05, 2.5e-10]",
            ),
            ("[18446744073709551615,-9223372036854775808]", "[18446744073709551615, -9223372036854775808]"),
        ];
        for (json, wanted) in rows {
            assert_eq!(written(json, &Style::new(None)), wanted);
        }
    }

    #[test]
    fn an_indent_breaks_lines_but_not_in_what_is_empty() {
        let wanted = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}";
        assert_eq!(written(r#"{"a":[1,{}],"b":[]}"#, &Style::new(Some(2))), wanted);
        assert_eq!(written("[[]]", &Style::new(Some(0))), "[\n[]\n]");
    }

    #[test]
    fn other_arguments_are_heeded() {
        let sorted = Style { sort_keys: true, ..Style::new(None) };
        assert_eq!(written(r#"{"b":{"d":1,"c":2},"a":3}"#, &sorted), r#"{"a": 3, "b": {"c": 2, "d": 1}}"#);
        let ascii = Style { ascii: true, ..Style::new(None) };
        assert_eq!(written(r#""né🚀""#, &ascii), r#""n\u00e9\ud83d\ude80""#);
        let tight = Style { between_items: ",".into(), after_key: ":".into(), ..Style::new(None) };
        assert_eq!(written(r#"{"a":[1,2]}"#, &tight), r#"{"a":[1,2]}"#);
    }
}
