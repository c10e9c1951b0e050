//! The parsers of answers, and the generic one.
//!
//! Ollama's answer depends on how a text was cut for some rows; these have both (`step1` is that for single
//! characters), and ours, which has to be the same for every cut, has to be one of them. Where Ollama fails because a
//! call cannot be read, ours must have found it unreadable at the same place, and given its text out as content.

use llamero::prompt::parse::{Call, Generic, Parser, Sink, Tools, by_name, generic, harmony_tool_names};
use serde_json::{Value, json};

use super::runner::Exceptions;
use super::sets::Sets;

/// Rows that differ on purpose.
pub const EXCEPTIONS: Exceptions = &[];

/// The same for the generic parser.
pub const GENERIC_EXCEPTIONS: Exceptions = &[];

/// What a parser made of an answer.
#[derive(Debug, Default, Clone, PartialEq)]
struct Answer {
    content: String,
    thinking: String,
    calls: Vec<Call>,
    /// The calls that could not be read, each with the answer up to there.
    unreadable: Vec<(String, Box<Answer>)>,
}

impl Sink for Answer {
    fn content(&mut self, text: &str) {
        self.content.push_str(text);
    }

    fn thinking(&mut self, text: &str) {
        self.thinking.push_str(text);
    }

    fn call(&mut self, call: Call) {
        self.calls.push(call);
    }

    fn unreadable(&mut self, text: &str) {
        let before = Self { unreadable: Vec::new(), ..self.clone() };
        self.unreadable.push((text.to_owned(), Box::new(before)));
        self.content(text);
    }
}

/// The answer for `text` in pieces of `length` characters.
fn answer(mut parser: Parser, text: &str, length: usize) -> Answer {
    let mut answer = Answer::default();
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(length) {
        parser.push(&piece.iter().collect::<String>(), &mut answer);
    }
    parser.finish(&mut answer);
    answer
}

/// Holds the answer for the whole text, and for pieces of it, against the row's.
fn judge(parser: impl Fn() -> Parser, text: &str, want: &Value) -> Result<(), String> {
    let whole = answer(parser(), text, usize::MAX);
    for length in [1, 4, 13] {
        let pieces = answer(parser(), text, length);
        if pieces != whole {
            return Err(format!("in pieces of {length}\n    got  {pieces:?}\n    whole {whole:?}"));
        }
    }
    if is_one_of(&whole, want) { Ok(()) } else { Err(format!("answer\n    got  {whole:?}\n    want {want}")) }
}

/// Numbers as Go has them: all are floats, so that 1 and 1.0 are one.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), canonical(value))).collect(),
        other => other.clone(),
    }
}

fn is_equal(answer: &Answer, want: &Value) -> bool {
    let call = |call: &Call| {
        let mut value = json!({"function": {"index": call.index, "name": call.name, "arguments": call.arguments}});
        if let Some(id) = &call.id {
            value["id"] = json!(id);
        }
        value
    };
    let calls: Value = answer.calls.iter().map(call).collect();
    let order = |calls: &Value| -> Vec<String> {
        let arguments =
            calls.as_array().into_iter().flatten().filter_map(|call| call["function"]["arguments"].as_object());
        arguments.flat_map(|arguments| arguments.keys().cloned()).collect()
    };
    json!(answer.content) == want["content"]
        && want.get("thinking").is_none_or(|thinking| json!(answer.thinking) == *thinking)
        && canonical(&calls) == canonical(&want["calls"])
        && order(&calls) == order(&want["calls"])
}

/// Whether `answer` is one of Ollama's two.
fn is_one_of(answer: &Answer, want: &Value) -> bool {
    [Some(want), want.get("step1")].into_iter().flatten().any(|want| {
        match (want.get("error"), answer.unreadable.first()) {
            (Some(_), Some((raw, before))) => {
                is_equal(before, want) && answer.content[before.content.len()..].starts_with(raw.as_str())
            }
            (Some(_), None) => false,
            (None, _) => is_equal(answer, want),
        }
    })
}

/// One row of `parsers.jsonl`.
pub fn check(row: &Value, sets: &Sets) -> Result<(), String> {
    let tools = sets.raw_tools(row);
    let last = row.get("last").map(|last| serde_json::from_value(last.clone()).expect("a message"));
    let parser = || {
        let name = row["parser"].as_str().unwrap_or_default();
        by_name(name, &Tools::new(tools), row["think"].as_bool(), last.as_ref()).expect("a known parser")
    };
    if let Some(want) = row["want"]["tool_names"].as_array() {
        let names = harmony_tool_names(tools.iter().filter_map(|tool| tool["function"]["name"].as_str()));
        if &names != want {
            return Err(format!("the names of tools in prompts: {names:?}"));
        }
    }
    judge(parser, row["text"].as_str().unwrap_or_default(), &row["want"])
}

/// One row of `generic.jsonl`.
pub fn check_generic(row: &Value, sets: &Sets) -> Result<(), String> {
    let tools = sets.raw_tools(row);
    let mut want = row["want"].clone();
    let text = |name: &str| row["want"][name].as_str().unwrap_or_default().to_owned();
    let parser = || {
        let template = Generic {
            tag: text("tag"),
            think_open: text("think_open"),
            think_close: text("think_close"),
            ..Generic::default()
        };
        generic(template, &Tools::new(tools))
    };
    // What is left at the end is content, unless it has gone out before: then Ollama has it twice.
    let (content, rest) = (text("content"), text("rest"));
    if !content.ends_with(&rest) {
        want["content"] = json!(content + &rest);
    }
    judge(parser, row["text"].as_str().unwrap_or_default(), &want)
}
