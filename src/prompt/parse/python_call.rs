//! Calls as Python writes them: `[f(x="1", y=[2, None])]`, by LFM2 and `OLMo`.

use serde_json::{Map, Value};

use super::tools::Tools;
use super::value::number;
use super::{Call, Calls, Unreadable};
use crate::config::limits;

/// One or more calls with commas between them, in a list or not: LFM2. Tags around them that lost their other half are
/// skipped.
pub(super) fn list(raw: &str, _: &Tools) -> Calls {
    let raw = raw.trim();
    let raw = raw.strip_prefix("<|tool_call_start|>").unwrap_or(raw).trim();
    let raw = raw.strip_suffix("<|tool_call_end|>").unwrap_or(raw).trim();
    let listed = raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']'));
    let mut reader = Reader { text: listed.unwrap_or(raw), at: 0 };
    let mut calls = Vec::new();
    loop {
        reader.space();
        while reader.eat(',') {
            reader.space();
        }
        if reader.rest().is_empty() {
            break;
        }
        calls.push(reader.call()?);
    }
    if calls.is_empty() { Err(Unreadable) } else { Ok(calls) }
}

/// One call a line: `OLMo`. Its names are plain identifiers.
pub(super) fn lines(raw: &str, _: &Tools) -> Calls {
    let mut calls = Vec::new();
    for line in raw.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut reader = Reader { text: line, at: 0 };
        let call = reader.call()?;
        let plain = call.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || !reader.rest().is_empty() {
            return Err(Unreadable);
        }
        calls.push(call);
    }
    Ok(calls)
}

/// Reads from left to right; `at` is always at a character's beginning and not behind the end.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    /// The text up to the first of these characters, which is not taken.
    fn until(&mut self, ends: &[char]) -> &'a str {
        let rest = self.rest();
        let text = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += text.len();
        text
    }

    /// `name(key=value, …)`.
    fn call(&mut self) -> Result<Call, Unreadable> {
        let name = self.until(&['(']).trim();
        if name.is_empty() || !self.eat('(') {
            return Err(Unreadable);
        }
        let mut arguments = Map::new();
        loop {
            self.space();
            while self.eat(',') {
                self.space();
            }
            if self.eat(')') {
                break;
            }
            let key = self.until(&['=', ',', ')', '(']).trim();
            if key.is_empty() || !self.eat('=') {
                return Err(Unreadable);
            }
            let value = self.value(&[',', ')'], 0)?;
            arguments.insert(key.to_owned(), value);
        }
        Ok(Call { name: name.to_owned(), arguments, ..Call::default() })
    }

    /// A value, and the space around it; bare words end at one of `ends`.
    fn value(&mut self, ends: &[char], depth: usize) -> Result<Value, Unreadable> {
        if depth > limits::CALL_DEPTH_MAX {
            return Err(Unreadable);
        }
        self.space();
        let start = self.at;
        let value = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.string(quote)?.into(),
            Some('[') => self.items(depth)?,
            Some('{') => self.entries(depth)?,
            _ => return Ok(word(self.bare(ends)?)),
        };
        self.space();
        if self.rest().starts_with(ends) || self.rest().is_empty() {
            return Ok(value);
        }
        // Not a value but the beginning of a bare text, such as ["a"]["b"].
        self.at = start;
        Ok(self.bare(ends)?.trim().into())
    }

    /// A bare text; ends inside of its brackets and quotes do not count.
    fn bare(&mut self, ends: &[char]) -> Result<&'a str, Unreadable> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(next) = self.rest().chars().next() {
            match next {
                '"' | '\'' => {
                    self.string(next)?;
                    continue;
                }
                _ if depth == 0 && ends.contains(&next) => break,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += next.len_utf8();
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// A string in these quotes, without its escapes.
    fn string(&mut self, quote: char) -> Result<String, Unreadable> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, next)) = chars.next() {
            match next {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, escaped @ ('\\' | '"' | '\''))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                _ if next == quote => {
                    self.at += at + quote.len_utf8();
                    return Ok(text);
                }
                _ => text.push(next),
            }
        }
        Err(Unreadable)
    }

    fn items(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.eat('[');
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(']') {
                return Ok(Value::Array(items));
            }
            items.push(self.value(&[',', ']'], depth + 1)?);
            if !self.eat(',') && !self.rest().starts_with(']') {
                return Err(Unreadable);
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.eat('{');
        let mut entries = Map::new();
        loop {
            self.space();
            if self.eat('}') {
                entries.sort_keys();
                return Ok(Value::Object(entries));
            }
            let key = match self.rest().chars().next() {
                Some(quote @ ('"' | '\'')) => self.string(quote)?,
                _ => self.until(&[':', ',', '}']).trim().to_owned(),
            };
            self.space();
            if !self.eat(':') {
                return Err(Unreadable);
            }
            let value = self.value(&[',', '}'], depth + 1)?;
            entries.insert(key, value);
            if !self.eat(',') && !self.rest().starts_with('}') {
                return Err(Unreadable);
            }
        }
    }
}

/// A word without quotes: a constant, a number, or a text after all.
fn word(raw: &str) -> Value {
    match raw.trim() {
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        "null" | "None" | "nil" => Value::Null,
        word => number(word).unwrap_or_else(|| word.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Tools, lines, list};

    fn read(calls: super::Calls) -> Option<Value> {
        calls.ok().map(|calls| calls.iter().map(|call| json!([call.name, call.arguments])).collect())
    }

    #[test]
    fn calls_are_read() {
        let deep = format!("f(a={})", "[".repeat(100));
        for (raw, want) in [
            ("[f(city='Paris', n=3, ok=True, x=None, l=[1, 'a'])]", {
                Some(json!([["f", {"city": "Paris", "n": 3, "ok": true, "x": null, "l": [1, "a"]}]]))
            }),
            ("f(), g.h-2(a=1)", Some(json!([["f", {}], ["g.h-2", {"a": 1}]]))),
            ("<|tool_call_start|>f(a=-1.5)", Some(json!([["f", {"a": -1.5}]]))),
            (r#"f(a="it's \"é\"\n", b='\'')"#, Some(json!([["f", {"a": "it's \"é\"\n", "b": "'"}]]))),
            ("f(o={'b': [1, {}], a: x y}, w=a(b, c))", {
                Some(json!([["f", {"o": {"b": [1, {}], "a": "x y"}, "w": "a(b, c)"}]]))
            }),
            ("f(a=7.0, b=[1,], c=1e400)", Some(json!([["f", {"a": 7, "b": [1], "c": "1e400"}]]))),
            ("f(a=\"x\"+\"y\")", Some(json!([["f", {"a": "\"x\"+\"y\""}]]))),
            ("", None),
            ("[]", None),
            ("f", None),
            ("(a=1)", None),
            ("f(1)", None),
            ("f(a='x", None),
            ("f(a=[1", None),
            (&deep, None),
        ] {
            assert_eq!(read(list(raw, &Tools::default())), want, "{raw}");
        }
    }

    #[test]
    fn olmo_writes_a_call_a_line() {
        let read = |raw| read(lines(raw, &Tools::default()));
        assert_eq!(read("\nf(a=\"1\")\n\n g(b=2)\n"), Some(json!([["f", {"a": "1"}], ["g", {"b": 2}]])));
        assert_eq!(read(" \n"), Some(json!([])));
        for raw in ["f.g()", "f() g()", "f(a=1", "text"] {
            assert_eq!(read(raw), None, "{raw}");
        }
    }
}
