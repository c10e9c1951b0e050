//! Values as text: as Python's `str` and `repr` have them, and as its `json.dumps` does, which is what `tojson` means in
//! the chat templates of Hugging Face's transformers (`chat_template_utils.py`) and what models were trained on.

use std::fmt::Write;
use std::sync::Arc;

use super::value::{Heap, Key, Outcome, Value, check_depth};

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

/// Text under way, which is paid for as it grows.
struct Out<'h> {
    heap: &'h Heap,
    text: String,
}

impl Out<'_> {
    fn push(&mut self, text: &str) -> Outcome<()> {
        self.heap.pay(text.len())?;
        self.text.push_str(text);
        Ok(())
    }
}

/// A float as Python writes it: `1.0`, `1e+16`, `1e-05`.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    // Rust's debug format changes to exponents where Python does, but does not sign them or give them two digits.
    let digits = format!("{value:?}");
    let Some((mantissa, exponent)) = digits.split_once('e') else { return digits };
    let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
    format!("{mantissa}e{sign}{number:0>2}")
}

impl Heap {
    /// Python's `str`; what is undefined is empty.
    pub(super) fn print(&self, value: &Value) -> Outcome<String> {
        let mut out = Out { heap: self, text: String::new() };
        match value {
            Value::Str(text) => out.push(text)?,
            Value::Undefined => {}
            value => self.repr(value, &mut out, 0)?,
        }
        Ok(out.text)
    }

    fn repr(&self, value: &Value, out: &mut Out, depth: usize) -> Outcome<()> {
        self.spend(1)?;
        check_depth(depth)?;
        match value {
            Value::Undefined => out.push("Undefined"),
            Value::None => out.push("None"),
            Value::Bool(yes) => out.push(if *yes { "True" } else { "False" }),
            Value::Int(number) => out.push(&number.to_string()),
            Value::Float(number) => out.push(&float(*number)),
            // As in llama.cpp, without escapes; Python would write a line break as `\n`.
            Value::Str(text) if text.contains('\'') => self.json_string(text, &Style::new(None), out),
            Value::Str(text) => {
                out.push("'")?;
                out.push(text)?;
                out.push("'")
            }
            Value::List(list) => {
                out.push("[")?;
                self.repr_items(*list, out, depth)?;
                out.push("]")
            }
            Value::Tuple(list) => {
                out.push("(")?;
                self.repr_items(*list, out, depth)?;
                out.push(if self.items(*list).len() == 1 { ",)" } else { ")" })
            }
            Value::Dict(dict) => {
                out.push("{")?;
                for (at, (key, value)) in self.entries(*dict).entries().iter().enumerate() {
                    out.push(if at == 0 { "" } else { ", " })?;
                    self.repr(&key.value(), out, depth + 1)?;
                    out.push(": ")?;
                    self.repr(value, out, depth + 1)?;
                }
                out.push("}")
            }
            Value::Namespace(_) => out.push("<Namespace>"),
            Value::Loop(_) => out.push("<LoopContext>"),
            Value::Macro(_) => out.push("<Macro>"),
            Value::Function(name) => out.push(&format!("<function {name}>")),
        }
    }

    fn repr_items(&self, list: usize, out: &mut Out, depth: usize) -> Outcome<()> {
        for (at, item) in self.items(list).iter().enumerate() {
            out.push(if at == 0 { "" } else { ", " })?;
            self.repr(item, out, depth + 1)?;
        }
        Ok(())
    }

    /// Python's `json.dumps`. What is undefined becomes null.
    pub(super) fn json(&self, value: &Value, style: &Style) -> Outcome<String> {
        let mut out = Out { heap: self, text: String::new() };
        self.json_at(value, style, &mut out, 0)?;
        Ok(out.text)
    }

    fn json_at(&self, value: &Value, style: &Style, out: &mut Out, depth: usize) -> Outcome<()> {
        self.spend(1)?;
        check_depth(depth)?;
        match value {
            Value::Bool(yes) => out.push(if *yes { "true" } else { "false" }),
            Value::Int(number) => out.push(&number.to_string()),
            Value::Float(number) if number.is_nan() => out.push("NaN"),
            Value::Float(number) if number.is_infinite() => {
                out.push(if *number > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Value::Float(number) => out.push(&float(*number)),
            Value::Str(text) => self.json_string(text, style, out),
            Value::List(list) | Value::Tuple(list) => {
                out.push("[")?;
                let items = self.items(*list);
                for (at, item) in items.iter().enumerate() {
                    begin_entry(style, out, at, depth)?;
                    self.json_at(item, style, out, depth + 1)?;
                }
                end_entries(style, out, items.len(), depth)?;
                out.push("]")
            }
            Value::Dict(dict) | Value::Namespace(dict) => {
                out.push("{")?;
                let mut entries: Vec<_> = self.entries(*dict).entries().iter().collect();
                self.pay_items(entries.len())?;
                if style.sort_keys {
                    entries.sort_by_cached_key(|(key, _)| key_text(key));
                }
                for (at, (key, value)) in entries.iter().enumerate() {
                    begin_entry(style, out, at, depth)?;
                    self.json_string(&key_text(key), style, out)?;
                    out.push(&style.after_key)?;
                    self.json_at(value, style, out, depth + 1)?;
                }
                end_entries(style, out, entries.len(), depth)?;
                out.push("}")
            }
            _ => out.push("null"),
        }
    }

    fn json_string(&self, text: &str, style: &Style, out: &mut Out) -> Outcome<()> {
        self.pay(text.len())?;
        let mut quoted = String::with_capacity(text.len() + 2);
        quoted.push('"');
        for character in text.chars() {
            match character {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '\u{8}' => quoted.push_str("\\b"),
                '\u{c}' => quoted.push_str("\\f"),
                character if character < ' ' || (style.ascii && character >= '\u{7f}') => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing into a string does not fail.
                        let _ = write!(quoted, "\\u{unit:04x}");
                    }
                }
                character => quoted.push(character),
            }
        }
        quoted.push('"');
        out.push(&quoted)
    }
}

/// A key as JSON has it.
fn key_text(key: &Key) -> Arc<str> {
    match key {
        Key::Text(text) => text.clone(),
        Key::Number(number) => number.to_string().into(),
        Key::None => "null".into(),
    }
}

fn begin_entry(style: &Style, out: &mut Out, at: usize, depth: usize) -> Outcome<()> {
    if at > 0 {
        out.push(&style.between_items)?;
    }
    break_line(style, out, depth + 1)
}

/// Python closes what is empty on the same line.
fn end_entries(style: &Style, out: &mut Out, count: usize, depth: usize) -> Outcome<()> {
    if count > 0 { break_line(style, out, depth) } else { Ok(()) }
}

fn break_line(style: &Style, out: &mut Out, depth: usize) -> Outcome<()> {
    let Some(indent) = style.indent else { return Ok(()) };
    out.push("\n")?;
    out.heap.pay(indent * depth)?;
    out.text.extend(std::iter::repeat_n(' ', indent * depth));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str, style: &Style) -> String {
        let mut heap = Heap::new();
        let value = heap.load(&serde_json::from_str(json).expect("the row is JSON")).expect("it fits");
        heap.json(&value, style).expect("JSON can be written")
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

    #[test]
    fn values_print_as_python_prints_them() {
        let mut heap = Heap::new();
        let json = serde_json::json!({"a": [1, 2.5, null, true, "it's", "\"'\n", "\\ \n"], "b": {}});
        let value = heap.load(&json).expect("it fits");
        assert_eq!(
            heap.print(&value).expect("text"),
            "{'a': [1, 2.5, None, True, \"it's\", \"\\\"'\\n\", '\\ \n'], 'b': {}}"
        );
        let one = heap.tuple(vec![Value::Int(1)]).expect("it fits");
        assert_eq!(heap.print(&one).expect("text"), "(1,)");
    }
}
