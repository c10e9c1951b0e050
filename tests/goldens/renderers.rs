//! The built-in renderers.

use jiff::civil::date;
use llamero::model::{Level, Think};
use llamero::prompt::render::{Conversation, by_name};
use serde_json::Value;

use super::runner::{Exceptions, same};
use super::sets::Sets;

/// Rows that differ on purpose.
pub const EXCEPTIONS: Exceptions = &[];

fn think(value: &Value) -> Option<Think> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(false) => Think::Off,
        Value::Bool(true) => Think::On,
        level => Think::Level(match level.as_str().unwrap_or_default() {
            "low" => Level::Low,
            "medium" => Level::Medium,
            "high" => Level::High,
            "max" => Level::Max,
            _ => panic!("level {level}"),
        }),
    })
}

fn hold(name: &str, row: &Value, sets: &Sets, want: Option<&str>) -> Result<(), String> {
    let (messages, tools) = (sets.messages(row), sets.tools(row).unwrap_or_default());
    // The day on which the rows were recorded.
    let today = date(2026, 11, 22);
    let conversation = Conversation { messages: &messages, tools: &tools, think: think(&row["think"]), today };
    match (by_name(name).and_then(|renderer| renderer.render(&conversation)), want) {
        (Ok(got), Some(want)) => same(name, &got, want),
        (Err(_), None) => Ok(()),
        (Err(error), Some(_)) => Err(format!("{name} fails: {error}")),
        (Ok(got), None) => Err(format!("{name} renders {got:?}, although it should not")),
    }
}

/// One row of `renderers.jsonl`.
pub fn check(row: &Value, sets: &Sets) -> Result<(), String> {
    hold(row["renderer"].as_str().unwrap_or_default(), row, sets, row["want"]["prompt"].as_str())
}

/// One row of `renderers_mixed.jsonl`: a conversation put together at random out of what renderers look for, and what each
/// renderer makes of it; null is a refusal.
pub fn check_mixed(row: &Value, sets: &Sets) -> Result<(), String> {
    let prompts = row["want"].as_object().ok_or("no prompts")?;
    prompts.iter().try_for_each(|(name, want)| hold(name, row, sets, want.as_str()))
}
