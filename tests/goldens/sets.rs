//! The lists of messages and tools that rows name instead of repeating them (`sets.jsonl`).

use std::collections::HashMap;
use std::path::Path;

use llamero::model::{Message, Tool};
use serde_json::Value;

use super::runner::rows;

/// All named lists.
pub struct Sets {
    messages: HashMap<String, Vec<Message>>,
    tools: HashMap<String, Vec<Tool>>,
    raw_tools: HashMap<String, Vec<Value>>,
}

impl Sets {
    /// Reads them from the folder of the rows.
    pub fn load(folder: &Path) -> Self {
        let mut sets = Self { messages: HashMap::new(), tools: HashMap::new(), raw_tools: HashMap::new() };
        for mut row in rows(folder, "sets.jsonl") {
            let name = row["set"].as_str().expect("a name").to_owned();
            if let Some(tools) = row["tools"].as_array() {
                sets.raw_tools.insert(name.clone(), tools.clone());
                sets.tools.insert(name, serde_json::from_value(row["tools"].take()).expect("tools"));
            } else {
                sets.messages.insert(name, serde_json::from_value(row["messages"].take()).expect("messages"));
            }
        }
        sets
    }

    /// The messages of a row: a name, or the list itself.
    pub fn messages(&self, row: &Value) -> Vec<Message> {
        match &row["messages"] {
            Value::String(name) => self.messages[name].clone(),
            list => serde_json::from_value(list.clone()).expect("messages"),
        }
    }

    /// The tools of a row, if it has any: a name, or the list itself.
    pub fn tools(&self, row: &Value) -> Option<Vec<Tool>> {
        match &row["tools"] {
            Value::Null => None,
            Value::String(name) => Some(self.tools[name].clone()),
            list => Some(serde_json::from_value(list.clone()).expect("tools")),
        }
    }

    /// The tools of a row, as they stand there; none where it has none.
    pub fn raw_tools<'a>(&'a self, row: &'a Value) -> &'a [Value] {
        match &row["tools"] {
            Value::String(name) => &self.raw_tools[name],
            list => list.as_array().map_or(&[], Vec::as_slice),
        }
    }
}
