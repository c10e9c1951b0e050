//! The chat templates of seventy models. They are not ours to pass on: `JINJA_TEMPLATES_DIR` names the folder that has them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::{env, fs};

use jiff::Zoned;
use llamero::prompt::{RenderOptions, Template};
use serde_json::Value;

use super::runner::{Exceptions, same};

/// Rows that differ on purpose.
pub const EXCEPTIONS: Exceptions = &[];

/// Templates by file, compiled once, and cases by name.
pub struct Library {
    folder: PathBuf,
    compiled: RefCell<HashMap<String, Result<Template, String>>>,
    cases: RefCell<HashMap<String, Value>>,
    now: Zoned,
}

impl Library {
    /// The templates of the folder; `None` where none is named.
    pub fn open() -> Option<Self> {
        let folder = env::var_os("JINJA_TEMPLATES_DIR").map(PathBuf::from)?;
        let now = "2026-11-22T12:00:00[UTC]".parse().expect("a time");
        Some(Self { folder, compiled: RefCell::default(), cases: RefCell::default(), now })
    }

    /// Takes a case, or renders a row.
    pub fn check(&self, row: &Value) -> Result<(), String> {
        let case = row["case"].as_str().unwrap_or_default();
        let Some(file) = row["template"].as_str() else {
            self.cases.borrow_mut().insert(case.to_owned(), row.clone());
            return Ok(());
        };
        let mut compiled = self.compiled.borrow_mut();
        let template = compiled.entry(file.to_owned()).or_insert_with(|| {
            let text = fs::read_to_string(self.folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
            Template::compile(&text).map_err(|error| error.to_string())
        });
        let template = template.as_ref().map_err(Clone::clone)?;
        let cases = self.cases.borrow();
        let case = cases.get(case).ok_or_else(|| format!("there is no case {case}"))?;
        let tools = case["tools"].is_array().then(|| case["tools"].to_string());
        // The model of the records was SmolLM2.
        let options = RenderOptions {
            bos: "<|endoftext|>",
            eos: "<|im_end|>",
            add_generation_prompt: true,
            enable_thinking: row["enable_thinking"].as_bool(),
            reasoning_effort: None,
            tools: tools.as_deref(),
            now: Some(&self.now),
        };
        match (template.render(&case["messages"].to_string(), &options), row["want"]["prompt"].as_str()) {
            (Ok(got), Some(want)) => same("prompt", &got, want),
            (Err(_), None) => Ok(()),
            (Err(error), Some(_)) => Err(format!("fails: {error}")),
            (Ok(got), None) => Err(format!("renders {got:?}, although {}", row["want"]["error"])),
        }
    }
}
