//! What Ollama's own renderers made of conversations: every row of `renderers.jsonl`.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::civil::date;
use serde::Deserialize;
use serde_json::Value;

use super::table::RENDERERS;
use super::{Conversation, by_name};
use crate::model::{Level, Message, Think, Tool};

/// Rows that are not equal on purpose, each with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[derive(Deserialize)]
struct Set {
    #[serde(rename = "set")]
    name: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
}

/// Messages or tools: the name of a set, or the list itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum List<T> {
    Named(String),
    Whole(Vec<T>),
}

#[derive(Deserialize)]
struct Row {
    id: String,
    renderer: String,
    messages: List<Message>,
    tools: Option<List<Tool>>,
    think: Option<Value>,
    want: Want,
}

#[derive(Deserialize)]
struct Want {
    prompt: Option<String>,
    error: Option<String>,
}

fn read(name: &str) -> String {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens").into();
    let folder: PathBuf = std::env::var_os("GOLDENS_DIR").map_or_else(default, PathBuf::from);
    std::fs::read_to_string(folder.join(name)).expect("the goldens are there")
}

fn think(value: &Value) -> Think {
    match value {
        Value::Bool(false) => Think::Off,
        Value::Bool(true) => Think::On,
        Value::String(level) => Think::Level(match level.as_str() {
            "low" => Level::Low,
            "medium" => Level::Medium,
            "high" => Level::High,
            "max" => Level::Max,
            _ => panic!("level {level}"),
        }),
        _ => panic!("think {value}"),
    }
}

#[test]
fn golden_renderers() {
    let sets: Vec<Set> = read("sets.jsonl").lines().map(|line| serde_json::from_str(line).expect("a set")).collect();
    let sets: HashMap<&str, &Set> = sets.iter().map(|set| (set.name.as_str(), set)).collect();
    let (mut rows, mut equal, mut differ) = (0, 0, Vec::new());
    for line in read("renderers.jsonl").lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        let messages = match &row.messages {
            List::Named(name) => &sets[name.as_str()].messages,
            List::Whole(messages) => messages,
        };
        let tools = match &row.tools {
            None => &Vec::new(),
            Some(List::Named(name)) => &sets[name.as_str()].tools,
            Some(List::Whole(tools)) => tools,
        };
        // The day on which the rows were recorded.
        let today = date(2026, 11, 22);
        let conversation = Conversation { messages, tools, think: row.think.as_ref().map(think), today };
        let got = by_name(&row.renderer).and_then(|renderer| renderer.render(&conversation));
        let is_equal = match (&row.want.prompt, &got) {
            (Some(want), Ok(got)) => want == got,
            (None, Err(_)) => row.want.error.is_some(),
            _ => false,
        };
        rows += 1;
        equal += usize::from(is_equal);
        if is_equal == EXCEPTIONS.iter().any(|(id, _)| *id == row.id) {
            differ.push(format!("{}\n  want {:?}\n  got  {got:?}", row.id, row.want.prompt.or(row.want.error)));
        }
    }
    println!("renderers.jsonl: {equal} of {rows} equal");
    assert!(rows > 0, "there are rows");
    assert!(differ.is_empty(), "{} rows:\n{}", differ.len(), differ[..differ.len().min(5)].join("\n"));
}

/// Messages, tools and all that the renderers make of them.
#[derive(Deserialize)]
struct Mixed {
    id: String,
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
    think: Option<Value>,
    /// By renderer; null is a refusal.
    want: HashMap<String, Option<String>>,
}

/// Conversations put together at random, out of what renderers look for: roles in any order, tags inside texts, odd
/// schemas and values.
#[test]
fn golden_mixed_conversations() {
    let mut rows = 0;
    for line in include_str!("../../../tests/data/goldens/renderers_mixed.jsonl").lines() {
        let row: Mixed = serde_json::from_str(line).expect("a row");
        let think = row.think.as_ref().map(think);
        let today = date(2026, 11, 22);
        let conversation = Conversation { messages: &row.messages, tools: &row.tools, think, today };
        for (name, want) in row.want {
            let got = by_name(&name).expect("a name").render(&conversation);
            assert_eq!(got.ok(), want, "{} {name}", row.id);
            rows += 1;
        }
    }
    println!("renderers_mixed.jsonl: {rows} prompts equal");
    assert!(rows > 0, "there are rows");
}

#[test]
fn prompts_begin_with_the_bos_that_their_renderer_names() {
    let message = Message { role: "user".into(), content: "a".into(), ..Message::default() };
    let conversation = Conversation { messages: &[message], tools: &[], think: None, today: date(2026, 1, 1) };
    for renderer in RENDERERS {
        let prompt = renderer.render(&conversation).expect("a prompt");
        // Cohere leaves it to the tokenizer.
        assert_eq!(prompt.starts_with(renderer.bos()), renderer.name() != "cohere", "{}", renderer.name());
        assert_eq!(by_name(renderer.name()).expect("itself").name(), renderer.name());
    }
}
