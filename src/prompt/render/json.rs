//! JSON inside prompts. All of it comes from Go's `encoding/json`, which reads every number as a double; the families
//! differ in blanks and in whether `<`, `>` and `&` are escaped.

use serde::Serialize;
use serde_json::Value;

use super::out::Out;
use crate::model::json;
use crate::model::quote::quote;
use crate::model::tool::Arguments;

/// How a family writes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    /// `json.Marshal`: no blanks, `<`, `>` and `&` escaped.
    Compact,
    /// The same with a blank after each colon and comma, as Python has them.
    Spaced,
    /// As [`Json::Spaced`], but `<`, `>` and `&` stand as they are: what transformers' `tojson` writes.
    Plain,
    /// As [`Json::Spaced`], but text is quoted as `%q` does.
    Quoted,
    /// `json.MarshalIndent` with four blanks.
    Indented,
}

impl Json {
    /// Writes what Go would print of one of the API's types: its fields in their order.
    pub(super) fn put(self, out: &mut Out, value: &impl Serialize) {
        // The API's types are maps with text as keys, which always have a JSON form.
        let value = serde_json::to_value(value).unwrap_or_default();
        self.put_value(out, &value, 0, Order::Given);
    }

    /// Writes free JSON: keys sorted, as Go's maps are.
    pub(super) fn put_free(self, out: &mut Out, value: &Value) {
        self.put_value(out, value, 0, Order::Sorted);
    }

    /// Writes the arguments of a call: names as they came, their values sorted inside.
    pub(super) fn put_arguments(self, out: &mut Out, arguments: &Arguments) {
        let mut first = true;
        out.put("{");
        for (name, value) in arguments.iter() {
            out.separate(&mut first, self.comma());
            self.put_text(out, name);
            out.put(self.colon());
            self.put_free(out, value);
        }
        out.put("}");
    }

    fn comma(self) -> &'static str {
        match self {
            Self::Compact | Self::Indented => ",",
            Self::Spaced | Self::Plain | Self::Quoted => ", ",
        }
    }

    fn colon(self) -> &'static str {
        if self == Self::Compact { ":" } else { ": " }
    }

    fn put_value(self, out: &mut Out, value: &Value, depth: usize, order: Order) {
        match value {
            Value::Null => out.put("null"),
            Value::Bool(true) => out.put("true"),
            Value::Bool(false) => out.put("false"),
            Value::Number(number) => put_scalar(out, &number.as_f64()),
            Value::String(text) => self.put_text(out, text),
            Value::Array(elements) => {
                let mut first = true;
                out.put("[");
                for element in elements {
                    self.begin_entry(out, &mut first, depth + 1);
                    self.put_value(out, element, depth + 1, order);
                }
                self.end(out, first, depth, "]");
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                if order == Order::Sorted {
                    entries.sort_unstable_by_key(|(key, _)| *key);
                }
                let mut first = true;
                out.put("{");
                for (key, value) in entries {
                    self.begin_entry(out, &mut first, depth + 1);
                    self.put_text(out, key);
                    out.put(self.colon());
                    self.put_value(out, value, depth + 1, order);
                }
                self.end(out, first, depth, "}");
            }
        }
    }

    fn begin_entry(self, out: &mut Out, first: &mut bool, depth: usize) {
        out.separate(first, self.comma());
        self.break_line(out, depth);
    }

    fn end(self, out: &mut Out, empty: bool, depth: usize, bracket: &str) {
        if !empty {
            self.break_line(out, depth);
        }
        out.put(bracket);
    }

    fn break_line(self, out: &mut Out, depth: usize) {
        if self == Self::Indented {
            out.put("\n");
            (0..depth).for_each(|_| out.put("    "));
        }
    }

    fn put_text(self, out: &mut Out, text: &str) {
        match self {
            Self::Compact | Self::Spaced | Self::Indented => put_scalar(out, text),
            Self::Quoted => out.put(&quote(text)),
            Self::Plain => {
                // Go escapes the two line separators even where it leaves HTML alone; serde_json leaves all of them.
                let quoted = serde_json::to_string(text).unwrap_or_default();
                out.put(&quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
            }
        }
    }
}

fn put_scalar<T: Serialize + ?Sized>(out: &mut Out, scalar: &T) {
    let bytes = json::to_vec(scalar).unwrap_or_default();
    out.put(str::from_utf8(&bytes).unwrap_or_default());
}

/// How the keys of objects are ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Given,
    Sorted,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(style: Json, text: &str) -> String {
        let mut out = Out::new();
        style.put_free(&mut out, &serde_json::from_str(text).expect("the row is JSON"));
        out.finish().expect("short")
    }

    #[test]
    fn each_style_has_its_blanks_and_escapes() {
        let value = r#"{"b":"<a: \"b\", c>\u2028é\u0001","a":[1,{},[],{"y":null,"x":true}]}"#;
        for (style, want) in [
            (
                Json::Compact,
                r#"{"a":[1,{},[],{"x":true,"y":null}],"b":"\u003ca: \"b\", c\u003e\u2028é\u0001"}"#.to_owned(),
            ),
            (
                Json::Spaced,
                r#"{"a": [1, {}, [], {"x": true, "y": null}], "b": "\u003ca: \"b\", c\u003e\u2028é\u0001"}"#.to_owned(),
            ),
            (
                Json::Plain,
                r#"{"a": [1, {}, [], {"x": true, "y": null}], "b": "<a: \"b\", c>\u2028é\u0001"}"#.to_owned(),
            ),
            (Json::Quoted, r#"{"a": [1, {}, [], {"x": true, "y": null}], "b": "<a: \"b\", c>\u2028é\x01"}"#.to_owned()),
            (
                Json::Indented,
                [
                    "{",
                    r#"    "a": ["#,
                    "        1,",
                    "        {},",
                    "        [],",
                    "        {",
                    r#"            "x": true,"#,
                    r#"            "y": null"#,
                    "        }",
                    "    ],",
                    r#"    "b": "\u003ca: \"b\", c\u003e\u2028é\u0001""#,
                    "}",
                ]
                .join("\n"),
            ),
        ] {
            assert_eq!(free(style, value), want, "{style:?}");
        }
    }

    #[test]
    fn numbers_are_doubles() {
        for (number, want) in [
            ("1.0", "1"),
            ("-0", "-0"),
            ("1e3", "1000"),
            ("12345678901234567890", "12345678901234567000"),
            ("9007199254740993", "9007199254740992"),
            ("1e21", "1e+21"),
            ("0.0000001", "1e-7"),
        ] {
            assert_eq!(free(Json::Compact, number), want);
        }
    }

    #[test]
    fn arguments_are_sorted_only_inside() {
        let arguments = serde_json::json!({"z": {"b": 1, "a": 2}, "a": "&"});
        let mut out = Out::new();
        Json::Spaced.put_arguments(&mut out, &serde_json::from_value(arguments.clone()).expect("an object"));
        Json::Compact.put(&mut out, &arguments);
        let want = r#"{"z": {"a": 2, "b": 1}, "a": "\u0026"}{"z":{"b":1,"a":2},"a":"\u0026"}"#;
        assert_eq!(out.finish().as_deref(), Ok(want));
    }
}
