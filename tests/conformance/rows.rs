//! The recorded rows, and the two lists that say how they are judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// A request and what a real Ollama answered.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// Its place in the order of play.
    pub n: u32,
    /// `group/name`.
    pub id: String,
    pub request: Request,
    pub answer: Answer,
}

#[derive(Debug, Deserialize)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub json: Option<Value>,
    pub body: Option<String>,
    /// The name of a GGUF that is the body.
    pub file: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Fields of the answer whose values do not count.
    #[serde(default)]
    pub loose: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Answer {
    pub status: u16,
    /// Empty: there is none.
    pub content_type: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    pub body: Body,
}

/// What kind of body an answer has, and what is in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    Json(Value),
    /// JSON lines.
    Lines(Vec<Value>),
    /// Server-sent events: `{"event", "data"}`.
    Events(Vec<Value>),
    Text(String),
}

impl Row {
    pub fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    /// Whether it can only be judged where the embedding model has been uploaded.
    pub fn needs_minilm(&self) -> bool {
        format!("{:?} {:?}", self.request, self.answer).contains("minilm")
    }
}

/// How a row in `free.txt` is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Free {
    /// Status and kind of body count.
    Body,
    /// Any answer below 500 will do.
    All,
}

pub fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// All rows in the order of play.
pub fn rows() -> Vec<Row> {
    let files = fs::read_dir(data("transcripts")).expect("the folder of transcripts");
    let paths = files.map(|file| file.expect("a file").path());
    let mut rows: Vec<Row> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .flat_map(|path| {
            let text = fs::read(&path).expect("a transcript");
            serde_json::from_slice::<Vec<Row>>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    rows.sort_by_key(|row| row.n);
    rows
}

/// Cases where another answer is as good or better.
pub fn free() -> BTreeMap<String, Free> {
    let text = fs::read_to_string(data("transcripts/free.txt")).expect("free.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let id = words.next().unwrap_or_default().to_owned();
            (id, if words.next() == Some("*") { Free::All } else { Free::Body })
        })
        .collect()
}

/// Rows that are played and not judged yet.
pub fn not_yet() -> BTreeSet<String> {
    let lines = include_str!("not_yet.txt").lines();
    lines.filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}
