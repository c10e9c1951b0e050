//! Calls as the Gemma models write them: `call:f{x:1,s:<escape>text<escape>}`, JSON with bare keys and quotes of its
//! own. Gemma 4 forgets a quote or a brace now and then; what it meant is put together where it is plain.

use serde_json::{Map, Value};

use super::tools::{Tool, Tools};
use super::value::{json, number};
use super::{Call, Calls, Unreadable};
use crate::config::limits;

/// `FunctionGemma`: words that are nothing else are strings, and what stands around the call is skipped.
pub(super) fn function_gemma(raw: &str, _: &Tools) -> Calls {
    let (_, call) = raw.split_once("call:").ok_or(Unreadable)?;
    let (name, _) = call.split_once('{').ok_or(Unreadable)?;
    let mut reader = Reader::new(&call[name.len()..], "<escape>", None);
    let arguments = reader.object(0)?;
    called(name, arguments)
}

/// Gemma 4: values are JSON, or strings where the tool's schema says so.
pub(super) fn gemma4(raw: &str, tools: &Tools) -> Calls {
    let call = raw.trim().strip_prefix("call:").ok_or(Unreadable)?;
    let (name, _) = call.split_once('{').ok_or(Unreadable)?;
    let unknown = Tool::default();
    let tool = tools.get(name.trim()).unwrap_or(&unknown);
    let mut reader = Reader::new(&call[name.len()..], "<|\"|>", Some(tool));
    let arguments = reader.object(0)?;
    reader.space();
    // A brace may only be missing where something else was mended: then the model lost its way at the end.
    if !reader.rest().is_empty() || (reader.open > 0 && !reader.mended) {
        return Err(Unreadable);
    }
    called(name, arguments)
}

fn called(name: &str, arguments: Map<String, Value>) -> Calls {
    let name = name.trim();
    if name.is_empty() {
        Err(Unreadable)
    } else {
        Ok(vec![Call { name: name.to_owned(), arguments, ..Call::default() }])
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Always at a character's beginning and not behind the end.
    at: usize,
    quote: &'static str,
    /// The tool whose schema says which bare texts are strings; `None`: all are.
    schema: Option<&'a Tool>,
    /// Braces and brackets that were never closed.
    open: usize,
    mended: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, quote: &'static str, schema: Option<&'a Tool>) -> Self {
        Self { text, at: 0, quote, schema, open: 0, mended: false }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    /// Whether a list or an object that ends with `close` is over, with the comma in front of its next item.
    fn over(&mut self, close: &str) -> Result<bool, Unreadable> {
        self.space();
        let comma = self.eat(",");
        self.space();
        if self.rest().is_empty() {
            self.open += 1;
            return Ok(true);
        }
        match (self.eat(close), comma) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(Unreadable),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Map<String, Value>, Unreadable> {
        let mut entries = Map::new();
        if depth > limits::CALL_DEPTH_MAX || !self.eat("{") {
            return Err(Unreadable);
        }
        self.space();
        if self.eat("}") {
            return Ok(entries);
        }
        loop {
            self.space();
            let key = self.key()?;
            self.space();
            if !self.eat(":") {
                return Err(Unreadable);
            }
            let value = self.value(&key, depth)?;
            entries.insert(key, value);
            if self.over("}")? {
                return Ok(entries);
            }
        }
    }

    fn list(&mut self, key: &str, depth: usize) -> Result<Value, Unreadable> {
        let mut items = Vec::new();
        self.eat("[");
        self.space();
        if self.eat("]") {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(key, depth + 1)?);
            if self.over("]")? {
                return Ok(Value::Array(items));
            }
        }
    }

    fn key(&mut self) -> Result<String, Unreadable> {
        if self.rest().starts_with(self.quote) {
            return Ok(self.quoted());
        }
        if self.rest().starts_with('"') {
            return Ok(self.json_string().ok_or(Unreadable)?.as_str().unwrap_or_default().to_owned());
        }
        let rest = self.rest();
        let key = &rest[..rest.find([':', ',', '{', '}']).unwrap_or(rest.len())];
        self.at += key.len();
        Ok(key.trim().to_owned())
    }

    fn value(&mut self, key: &str, depth: usize) -> Result<Value, Unreadable> {
        if depth > limits::CALL_DEPTH_MAX {
            return Err(Unreadable);
        }
        self.space();
        let rest = self.rest();
        if rest.starts_with(self.quote) {
            return Ok(self.quoted().into());
        }
        match rest.bytes().next() {
            Some(b'{') => {
                let mut entries = self.object(depth + 1)?;
                entries.sort_keys();
                Ok(Value::Object(entries))
            }
            Some(b'[') => self.list(key, depth),
            Some(b'"') if self.schema.is_some() => self.json_string().ok_or(Unreadable),
            Some(b'\'') if self.schema.is_some() => self.single_quoted(),
            _ => self.bare(key, depth),
        }
    }

    /// A string in the family's quotes. When the second one is missing it goes on to the closing brace at the end.
    fn quoted(&mut self) -> String {
        self.at += self.quote.len();
        let rest = self.rest();
        if let Some(end) = rest.find(self.quote) {
            self.at += end + self.quote.len();
            return rest[..end].to_owned();
        }
        self.mended = true;
        let text = rest.trim_end();
        let text = text.strip_suffix(['}', ']']).unwrap_or(text);
        self.at += text.len();
        text.to_owned()
    }

    fn json_string(&mut self) -> Option<Value> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        })?;
        let raw = &rest[..end + 2];
        let value = json(raw)?;
        self.at += raw.len();
        Some(value)
    }

    /// A string in single quotes, which is not Gemma's way; one of Gemma's quotes behind it is a slip.
    fn single_quoted(&mut self) -> Result<Value, Unreadable> {
        let rest = &self.rest()[1..];
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let end = byte == b'\'' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        });
        let end = end.ok_or(Unreadable)?;
        self.mended = true;
        self.at += end + 2;
        self.eat(self.quote);
        Ok(rest[..end].into())
    }

    /// A number, a constant, or a text without quotes.
    fn bare(&mut self, key: &str, depth: usize) -> Result<Value, Unreadable> {
        let rest = self.rest();
        let word = rest[..rest.find([',', '}', ']']).unwrap_or(rest.len())].trim_end();
        let Some(tool) = self.schema else {
            self.at += word.len();
            return Ok(match word {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => number(word).unwrap_or_else(|| word.into()),
            });
        };
        if let Some(value) = json(word) {
            self.at += word.len();
            return Ok(value);
        }
        if depth > 0 || !tool.types(key).string {
            return Err(Unreadable);
        }
        self.mended = true;
        let text = &rest[..end_of_raw(rest, tool)];
        self.at += text.len();
        Ok(text.into())
    }
}

/// Where a text without quotes ends: before the next parameter that the tool declares, or before the last brace.
fn end_of_raw(text: &str, tool: &Tool) -> usize {
    let next = text.match_indices(',').find(|(at, _)| {
        let key = text[at + 1..].trim_start();
        key.split_once(':').is_some_and(|(key, _)| tool.declares(key.trim_end()))
    });
    next.map_or_else(
        || {
            let end = text.trim_end();
            end.strip_suffix('}').map_or(text.len(), str::len)
        },
        |(at, _)| at,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Tools, function_gemma, gemma4};

    fn read(calls: super::Calls) -> Option<Value> {
        calls.ok().map(|calls| json!([calls[0].name, calls[0].arguments]))
    }

    #[test]
    fn function_gemma_quotes_with_a_tag() {
        let deep = format!("call:f{{a:{}}}", "[".repeat(100));
        for (raw, want) in [
            ("call:f{city:<escape>Paris, {x}<escape>,n:3}", Some(json!(["f", {"city": "Paris, {x}", "n": 3}]))),
            ("so call:f{} there", Some(json!(["f", {}]))),
            ("call:f{a:[1,x y,true],o:{b:<escape>c<escape>},q:\"s\"}", {
                Some(json!(["f", {"a": [1, "x y", true], "o": {"b": "c"}, "q": "\"s\""}]))
            }),
            ("call:{a:1}", None),
            ("call:f", None),
            ("f{a:1}", None),
            (&deep, None),
        ] {
            assert_eq!(read(function_gemma(raw, &Tools::default())), want, "{raw}");
        }
    }

    #[test]
    fn gemma_4_is_mended_where_it_is_plain() {
        let properties = json!({"s": {"type": "string"}, "n": {"type": "integer"}});
        let tools = Tools::new(&[json!({"function": {"name": "f", "parameters": {"properties": properties}}})]);
        for (raw, want) in [
            (r#"call:f{s:<|"|>a "b"}<|"|>,n:3,ok:true,l:[1,2],o:{a:<|"|>b<|"|>}}"#, {
                Some(json!(["f", {"s": "a \"b\"}", "n": 3, "ok": true, "l": [1, 2], "o": {"a": "b"}}]))
            }),
            (r#"call:f{"s": "a\"b", n : null}"#, Some(json!(["f", {"s": "a\"b", "n": null}]))),
            ("call:f{}", Some(json!(["f", {}]))),
            // Mended.
            (r#"call:f{s:<|"|>abc}"#, Some(json!(["f", {"s": "abc"}]))),
            (r#"call:f{s:<|"|>abc"#, Some(json!(["f", {"s": "abc"}]))),
            ("call:f{s:'it',n:1}", Some(json!(["f", {"s": "it", "n": 1}]))),
            (r#"call:f{s:'it'<|"|>,n:1"#, Some(json!(["f", {"s": "it", "n": 1}]))),
            ("call:f{s:echo a, b,n:1}", Some(json!(["f", {"s": "echo a, b", "n": 1}]))),
            ("call:f{n:1,s:echo {a}}", Some(json!(["f", {"n": 1, "s": "echo {a}"}]))),
            // Not plain.
            ("call:f{n:many}", None),
            ("call:f{n:1", None),
            ("call:f{n:1}}", None),
            ("f{n:1}", None),
        ] {
            assert_eq!(read(gemma4(raw, &tools)), want, "{raw}");
        }
    }
}
