//! JSON against JSON, with the order of fields and their types, by the rules in `tests/data/transcripts/README.md`.

use serde_json::{Map, Value};

/// How far log probabilities and embeddings may lie apart, as a share of what is larger than 1.
const TOLERANCE: f64 = 2e-3;
/// Longest value that is shown whole in a difference.
const SHOWN_CHARS: usize = 300;
/// Fields around whose text blank lines do not count.
pub const TEXTS: [&str; 5] = ["content", "response", "thinking", "reasoning", "text"];

/// Brings what may be written in several ways into one of them. Done to both sides. Blank lines around texts go only
/// where the texts are `whole`: in an event of a stream they may lie within the whole text.
pub fn settle(value: &mut Value, whole: bool) {
    match value {
        Value::String(text) => *text = settle_text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, whole)),
        Value::Object(fields) => settle_object(fields, whole),
        _ => {}
    }
}

fn settle_object(fields: &mut Map<String, Value>, whole: bool) {
    // What is no field of Ollama's and may come.
    fields.shift_remove("prompt_truncated");
    fields.shift_remove("general.quantization_version");
    for (key, value) in fields.iter_mut() {
        settle(value, whole);
        match (key.as_str(), value) {
            (key, Value::String(text)) if whole && TEXTS.contains(&key) => *text = trim_blank_lines(text).to_owned(),
            ("status", Value::String(status)) => {
                *status = status.replace("creating new layer", "using existing layer");
            }
            // Models are in name order, tensors in any.
            ("tensors" | "models", Value::Array(items)) => items.sort_by_key(|item| text_of(item, "name")),
            ("data", Value::Array(items)) if items.iter().all(|item| item["object"] == "model") => {
                items.sort_by_key(|item| text_of(item, "id"));
            }
            // A block of text that is only blank lines may be left out.
            ("content", Value::Array(blocks)) if whole => {
                blocks.retain(|block| block["type"] != "text" || block["text"] != "");
            }
            _ => {}
        }
    }
}

fn text_of(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_default().to_owned()
}

/// Without the line breaks at both ends.
pub fn trim_blank_lines(text: &str) -> &str {
    text.trim_matches('\n')
}

/// How the path of a blob ends, once its digest is settled.
const BLOB: &str = "/blobs/{digest}";

/// Puts `{digest}` for every sha256 and `{store}` for the model folder.
pub fn settle_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.char_indices().map(|(at, _)| at).find(|at| digest_length(&rest[*at..]).is_some()) {
        out += &rest[..at];
        out += "{digest}";
        rest = &rest[at + digest_length(&rest[at..]).unwrap_or_default()..];
    }
    out += rest;
    let mut from = 0;
    while let Some(found) = out[from..].find(BLOB) {
        let end = from + found;
        let start = out[..end].rfind([' ', '"', '\n']).map_or(0, |at| at + 1);
        out.replace_range(start..end, "{store}");
        from = start + "{store}".len() + BLOB.len();
    }
    out
}

/// The length of the digest that `text` begins with.
fn digest_length(text: &str) -> Option<usize> {
    let prefix = if text.starts_with("sha256:") || text.starts_with("sha256-") { 7 } else { 0 };
    let digits = text.as_bytes()[prefix..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    (digits == 64).then_some(prefix + digits)
}

/// Collects what differs.
pub struct Differences<'a> {
    /// Fields whose values do not count in this row.
    pub loose: &'a [String],
    pub found: Vec<String>,
}

impl Differences<'_> {
    fn add(&mut self, path: &str, expected: &Value, got: &Value) {
        self.found.push(format!("at {path}:\n      expected {}\n      got      {}", show(expected), show(got)));
    }

    /// Compares two values; both must be settled. `path` ends in the name of the field.
    pub fn compare(&mut self, path: &str, expected: &Value, got: &Value) {
        let key = path.rsplit_once(' ').map_or(path, |(_, key)| key);
        if is_volatile(key) || self.loose.iter().any(|loose| loose == key) {
            if kind(expected) != kind(got) {
                self.add(path, expected, got);
            }
            return;
        }
        match (expected, got) {
            (Value::Object(expected), Value::Object(got)) => self.compare_objects(path, expected, got),
            (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
                for (at, (expected, got)) in expected.iter().zip(got).enumerate() {
                    // An item goes by the name of its list: vectors are lists of lists.
                    self.compare(&format!("{path}[{at}] {}", key.trim_start_matches('$')), expected, got);
                }
            }
            _ if (key == "logprob" || key.starts_with("embedding")) && close(expected, got) => {}
            _ if expected != got => self.add(path, expected, got),
            _ => {}
        }
    }

    fn compare_objects(&mut self, path: &str, expected: &Map<String, Value>, got: &Map<String, Value>) {
        let missing: Vec<_> = expected.keys().filter(|key| !got.contains_key(*key)).collect();
        let extra: Vec<_> = got.iter().filter(|(key, _)| !expected.contains_key(*key)).collect();
        if !missing.is_empty() {
            self.found.push(format!("at {path}: missing {missing:?}"));
        }
        for (key, value) in &extra {
            self.found.push(format!("at {path}: {key:?} is not expected, got {}", show(value)));
        }
        if missing.is_empty() && extra.is_empty() && !expected.keys().eq(got.keys()) {
            let (wanted, got): (Vec<_>, Vec<_>) = (expected.keys().collect(), got.keys().collect());
            self.found
                .push(format!("at {path}: the order of fields:\n      expected {wanted:?}\n      got      {got:?}"));
        }
        let is_model = expected.get("object").is_some_and(|object| object == "model");
        for (key, value) in expected {
            let Some(got) = got.get(key) else { continue };
            // The id of a listed model is its name.
            let shown = if key == "id" && is_model { "name" } else { key };
            self.compare(&format!("{path} {shown}"), value, got);
        }
    }
}

/// Fields whose values differ from run to run; their types are fixed.
fn is_volatile(key: &str) -> bool {
    let known = ["created", "id", "item_id", "call_id", "tool_call_id", "request_id", "size", "size_vram", "version"];
    known.contains(&key) || key.ends_with("_at") || key.ends_with("_duration")
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Two numbers, or two vectors in base64.
fn close(expected: &Value, got: &Value) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(1.0);
    match (expected, got) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| near(a, b)),
        (Value::String(a), Value::String(b)) => {
            let (Some(a), Some(b)) = (floats(a), floats(b)) else { return false };
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| near(f64::from(*a), f64::from(*b)))
        }
        _ => expected == got,
    }
}

/// Little-endian 32-bit floats from base64.
fn floats(text: &str) -> Option<Vec<f32>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let six = ALPHABET.iter().position(|known| *known == byte)?;
        bits = bits << 6 | six as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes.chunks(4).map(|four| Some(f32::from_le_bytes(four.try_into().ok()?))).collect()
}

fn show(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The differences between two JSON texts, one line each.
    fn differ(expected: &str, got: &str, loose: &[&str]) -> Vec<String> {
        let parse = |text: &str| {
            let mut value = serde_json::from_str(text).expect(text);
            settle(&mut value, true);
            value
        };
        let loose: Vec<String> = loose.iter().map(|key| (*key).to_owned()).collect();
        let mut differences = Differences { loose: &loose, found: Vec::new() };
        differences.compare("$", &parse(expected), &parse(got));
        differences.found
    }

    #[test]
    fn what_counts() {
        let wrong = [
            (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":1.0}"#),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, "{}"),
            ("{}", r#"{"a":1}"#),
            (r#"{"a":[]}"#, r#"{"a":null}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"created_at":"x"}"#, r#"{"created_at":1}"#),
            (r#"{"id":"x"}"#, "{}"),
            (r#"{"id":"a:latest","object":"model"}"#, r#"{"id":"b:latest","object":"model"}"#),
            (r#"{"logprob":-0.5}"#, r#"{"logprob":-0.503}"#),
            (r#"{"embeddings":[[0.5]]}"#, r#"{"embeddings":[[0.503]]}"#),
            (r#"{"embedding":"AAAAPw=="}"#, r#"{"embedding":"AACAPw=="}"#),
            (r#"{"content":"a\n\nb"}"#, r#"{"content":"a\nb"}"#),
            (r#"{"content":" a"}"#, r#"{"content":"a"}"#),
            (r#"{"error":"a\n"}"#, r#"{"error":"a"}"#),
        ];
        for (expected, got) in wrong {
            assert!(!differ(expected, got, &[]).is_empty(), "{expected} {got}");
        }
        assert_eq!(differ(r#"{"a":1}"#, r#"{"a":"x"}"#, &["a"]).len(), 1, "loose fields keep their types");
    }

    #[test]
    fn what_does_not_count() {
        let hex = "42848f30765b98a18d6ed6818d1a89961e2357660d6a1ffce55df523b5b176f5";
        let right = [
            (r#"{"created_at":"x","total_duration":1}"#, r#"{"created_at":"y","total_duration":2}"#.to_owned()),
            (
                r#"{"status":"creating new layer {digest}"}"#,
                format!(r#"{{"status":"using existing layer sha256:{hex}"}}"#),
            ),
            (r#"{"digest":"{digest}"}"#, format!(r#"{{"digest":"{hex}"}}"#)),
            (
                r#"{"error":"open {store}/blobs/{digest}: x"}"#,
                format!(r#"{{"error":"open /a/b/blobs/sha256-{hex}: x"}}"#),
            ),
            (
                r#"{"logprob":-0.5,"embeddings":[[0.5,0]]}"#,
                r#"{"logprob":-0.5019,"embeddings":[[0.5,0.001]]}"#.to_owned(),
            ),
            (r#"{"embedding":"AAAAPw=="}"#, r#"{"embedding":"AQAAPw=="}"#.to_owned()),
            (r#"{"content":"\n\na\n","thinking":"b"}"#, r#"{"content":"a","thinking":"\nb\n"}"#.to_owned()),
            (r#"{"models":[{"name":"a"},{"name":"b"}]}"#, r#"{"models":[{"name":"b"},{"name":"a"}]}"#.to_owned()),
            (r#"{"tensors":[{"name":"b"},{"name":"a"}]}"#, r#"{"tensors":[{"name":"a"},{"name":"b"}]}"#.to_owned()),
            (r#"{"general.quantization_version":2}"#, r#"{"prompt_truncated":true}"#.to_owned()),
            (
                r#"{"content":[{"type":"text","text":"\n\n"},{"type":"tool_use"}]}"#,
                r#"{"content":[{"type":"tool_use"}]}"#.to_owned(),
            ),
        ];
        for (expected, got) in right {
            assert_eq!(differ(expected, &got, &[]), [""; 0], "{expected} {got}");
        }
        assert_eq!(differ(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, &["b"]), [""; 0]);
    }
}
