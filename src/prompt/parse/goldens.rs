//! The parsers against what Ollama made of the same texts: `parsers.jsonl` and `generic.jsonl` of the folder that
//! `GOLDENS_DIR` names.
//!
//! Ollama's answer depends on how a text was cut for some rows; these have both (`step1` is that for single
//! characters), and ours, which has to be the same for every cut, has to be one of them. Where Ollama fails because a
//! call cannot be read, ours must have found it unreadable at the same place, and given its text out as content.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::testing::{Answer, parse};
use super::{Generic, Tools, by_name, generic, harmony_tool_names};
use crate::model::message::Message;

/// Rows that are not equal, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

fn folder() -> PathBuf {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens"));
    std::env::var_os("GOLDENS_DIR").map_or(default, PathBuf::from)
}

fn rows(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).expect("the goldens are there");
    text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

/// The tool lists of `sets.jsonl` by their names.
fn tool_sets() -> HashMap<String, Vec<Value>> {
    let set = |row: Value| {
        let tools = row["tools"].as_array()?.clone();
        Some((row["set"].as_str()?.to_owned(), tools))
    };
    rows("sets.jsonl").into_iter().filter_map(set).collect()
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
    let call = |call: &super::Call| {
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

/// Runs all rows of a file, prints how many are equal, and fails for the others.
fn check(file: &str, differs: impl Fn(&Value) -> Option<String>) {
    let rows = rows(file);
    let (mut different, mut excepted) = (Vec::new(), 0);
    for row in &rows {
        let id = row["id"].as_str().unwrap_or_default();
        if let Some(difference) = differs(row) {
            if EXCEPTIONS.iter().any(|(known, _)| *known == id) {
                excepted += 1;
            } else {
                different.push(difference);
            }
        }
    }
    println!("{file}: {} of {} equal", rows.len() - different.len() - excepted, rows.len());
    assert!(different.is_empty(), "\n{}\n", different.join("\n"));
    assert!(excepted * 100 <= rows.len(), "too many exceptions");
}

#[test]
fn golden_parsers() {
    let sets = tool_sets();
    check("parsers.jsonl", |row| {
        let tools = row["tools"].as_str().map_or(&[][..], |name| sets[name].as_slice());
        let last: Option<Message> =
            row.get("last").map(|last| serde_json::from_value(last.clone()).expect("a message"));
        let parser = || {
            let name = row["parser"].as_str().unwrap_or_default();
            by_name(name, &Tools::new(tools), row["think"].as_bool(), last.as_ref()).expect("a known parser")
        };
        let answer = parse(parser, row["text"].as_str().unwrap_or_default());
        if let Some(want) = row["want"]["tool_names"].as_array() {
            let names = harmony_tool_names(tools.iter().filter_map(|tool| tool["function"]["name"].as_str()));
            assert_eq!(&names, want, "the names of tools in prompts");
        }
        (!is_one_of(&answer, &row["want"])).then(|| format!("{row}\n  {answer:?}"))
    });
}

#[test]
fn golden_generic() {
    let sets = tool_sets();
    check("generic.jsonl", |row| {
        let tools = row["tools"].as_str().map_or(&[][..], |name| sets[name].as_slice());
        let want = &row["want"];
        let text = |name: &str| want[name].as_str().unwrap_or_default().to_owned();
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
        let mut want = want.clone();
        let (content, rest) = (text("content"), text("rest"));
        if !content.ends_with(&rest) {
            want["content"] = json!(content + &rest);
        }
        let answer = parse(parser, row["text"].as_str().unwrap_or_default());
        (!is_one_of(&answer, &want)).then(|| format!("{row}\n  {answer:?}"))
    });
}
