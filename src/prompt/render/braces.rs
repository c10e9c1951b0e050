//! What Gemma's families write between braces: `declaration:NAME{…}` of a tool and `call:NAME{…}`, keys bare and
//! sorted, text between quotes that are tokens of their own.

use serde_json::Value;

use super::go;
use super::out::Out;
use crate::model::tool::{ToolFunction, ToolProperties};
use crate::model::{Tool, ToolCall};

/// One family's way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Braces {
    /// The token on both sides of a text.
    pub(super) quote: &'static str,
    /// What null is written as.
    pub(super) null: &'static str,
}

impl Braces {
    /// `call:NAME{KEY:VALUE,…}`.
    pub(super) fn put_call(self, out: &mut Out, call: &ToolCall) {
        out.puts(["call:", &call.function.name]);
        self.put_entries(out, call.function.arguments.iter());
    }

    /// A text between its quotes.
    pub(super) fn put_text(self, out: &mut Out, text: &str) {
        out.puts([self.quote, text, self.quote]);
    }

    /// The name of one of JSON Schema's types, in capitals.
    pub(super) fn put_type(self, out: &mut Out, name: &str) {
        self.put_text(out, &name.to_uppercase());
    }

    /// `[TEXT,…]`.
    pub(super) fn put_texts<T: AsRef<str>>(self, out: &mut Out, texts: impl IntoIterator<Item = T>) {
        let mut first = true;
        out.put("[");
        for text in texts {
            out.separate(&mut first, ",");
            self.put_text(out, text.as_ref());
        }
        out.put("]");
    }

    /// `declaration:NAME{description:…,parameters:{…}}`; `put_properties` writes what stands between the braces of
    /// `properties`.
    pub(super) fn put_declaration(self, out: &mut Out, tool: &Tool, put_properties: fn(&mut Out, &ToolProperties)) {
        let ToolFunction { name, description, parameters } = &tool.function;
        out.puts(["declaration:", name, "{description:"]);
        self.put_text(out, description);
        if parameters.properties.is_some() || !parameters.kind.is_empty() {
            out.put(",parameters:{");
            let mut first = true;
            if let Some(properties) = parameters.properties.as_ref().filter(|properties| !properties.0.is_empty()) {
                out.separate(&mut first, ",");
                out.put("properties:{");
                put_properties(out, properties);
                out.put("}");
            }
            if !parameters.required.is_empty() {
                out.separate(&mut first, ",");
                out.put("required:");
                self.put_texts(out, &parameters.required);
            }
            if !parameters.kind.is_empty() {
                out.separate(&mut first, ",");
                out.put("type:");
                self.put_type(out, &parameters.kind);
            }
            out.put("}");
        }
        out.put("}");
    }

    fn put_value(self, out: &mut Out, value: &Value) {
        match value {
            Value::Null => out.put(self.null),
            Value::Bool(_) => out.put(&go::print(value)),
            Value::Number(number) => out.put(&go::print_integral(number.as_f64().unwrap_or_default())),
            Value::String(text) => self.put_text(out, text),
            Value::Array(elements) => {
                let mut first = true;
                out.put("[");
                for element in elements {
                    out.separate(&mut first, ",");
                    self.put_value(out, element);
                }
                out.put("]");
            }
            Value::Object(map) => self.put_entries(out, map.iter()),
        }
    }

    fn put_entries<'a>(self, out: &mut Out, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let mut first = true;
        out.put("{");
        for (key, value) in entries {
            out.separate(&mut first, ",");
            out.puts([key, ":"]);
            self.put_value(out, value);
        }
        out.put("}");
    }
}
