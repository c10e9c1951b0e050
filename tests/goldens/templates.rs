//! Go templates: the prompt, the variables that a template mentions, and where a bad one fails.

use llamero::prompt::gotemplate::{Dates, Template, Values};
use serde_json::Value;

use super::runner::{Exceptions, same};
use super::sets::Sets;

/// Rows that differ on purpose.
pub const EXCEPTIONS: Exceptions = &[
    ("syntax/map-lit/", "prints addresses of Ollama's process"),
    ("syntax-messages/map-lit/", "prints addresses of Ollama's process"),
];

/// The same among our own rows.
pub const ENGINE_EXCEPTIONS: Exceptions = &[];

/// Renders a row.
pub fn check(row: &Value, sets: &Sets) -> Result<(), String> {
    let want = &row["want"];
    let at = want["at"].as_str();
    let template = match Template::parse(row["template"].as_str().unwrap_or_default()) {
        Ok(template) => template,
        Err(_) if at == Some("parse") => return Ok(()),
        Err(error) => return Err(format!("does not parse: {error}")),
    };
    if at == Some("parse") {
        return Err(format!("parses, although {}", want["error"]));
    }
    same("vars", &Value::from(template.vars()).to_string(), &want["vars"].to_string())?;

    let (messages, tools) = (sets.messages(row), sets.tools(row));
    let suffix = row["suffix"].as_str().unwrap_or_default();
    let prompt = messages.last().filter(|_| !suffix.is_empty()).map_or("", |message| &message.content);
    let think = match &row["think"] {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "medium" } else { "" }),
        level => level.as_str(),
    };
    let dates = Dates { today: "2026-11-22".to_owned(), yesterday: "2026-11-21".to_owned() };
    let values = Values { messages: &messages, tools: tools.as_deref(), prompt, suffix, think, dates: &dates };
    match (template.render(&values), at) {
        (Ok(got), None) => same("prompt", &got, want["prompt"].as_str().unwrap_or_default()),
        (Err(_), Some(_)) => Ok(()),
        (Err(error), None) => Err(format!("fails: {error}")),
        (Ok(got), Some(_)) => Err(format!("renders {got:?}, although {}", want["error"])),
    }
}
