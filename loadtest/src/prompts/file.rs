//! Prompts from a file: a JSON array or JSON lines, of strings or of the usual objects.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Message, Prompt};

/// Largest file of prompts.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of English text per token, roughly: for answers whose length a file gives only as text.
const BYTES_PER_TOKEN: usize = 4;

/// Why there are no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{}: larger than {FILE_BYTES_MAX} bytes", .0.display())]
    Large(PathBuf),
    /// A line or an item is none of the known forms.
    #[error("{}: item {number}: wanted a string, or an object with `prompt`, `messages` or `conversations`", path.display())]
    Item {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        number: usize,
    },
    /// There is nothing in it.
    #[error("{}: no prompts", .0.display())]
    Empty(PathBuf),
}

/// Reads a JSON array, or a file with one JSON value per line. An item is a string, or an object with
/// - `prompt` (a string),
/// - `messages` (OpenAI: `role`, `content`), or
/// - `conversations` (as `ShareGPT` has them: `from` human or gpt, `value`), asked up to the human turn before the last answer.
///
/// The answer's length comes from `max_tokens` or `output_tokens`, or from the text of `completion`, `output`, or the
/// last answer. Talks without a human turn are left out.
///
/// # Errors
/// [`PromptsError`].
pub fn read(path: &Path) -> Result<Vec<Prompt>, PromptsError> {
    let fail = |source| PromptsError::File { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(PromptsError::Large(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(fail)?;
    let prompts = parse(&text).map_err(|number| PromptsError::Item { path: path.to_owned(), number })?;
    if prompts.is_empty() { Err(PromptsError::Empty(path.to_owned())) } else { Ok(prompts) }
}

/// All prompts of a text, or the number of the item that is none.
fn parse(text: &str) -> Result<Vec<Prompt>, usize> {
    let items: Vec<Value> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| 1_usize)?
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(number, line)| serde_json::from_str(line).map_err(|_| number + 1);
        lines.map(read).collect::<Result<_, usize>>()?
    };
    let mut prompts = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        prompts.extend(prompt(item).map_err(|()| number + 1)?);
    }
    Ok(prompts)
}

/// The prompt of an item: none for a talk that asks nothing, an error for what is no item.
fn prompt(item: &Value) -> Result<Option<Prompt>, ()> {
    if let Some(text) = item.as_str() {
        return Ok(Some(Prompt::user(text.to_owned())));
    }
    if let Some(turns) = item.get("conversations") {
        return Ok(talk(messages(turns, share_gpt_turn).ok_or(())?, item));
    }
    if let Some(turns) = item.get("messages") {
        return Ok(talk(messages(turns, openai_turn).ok_or(())?, item));
    }
    let text = item.get("prompt").and_then(Value::as_str).ok_or(())?;
    Ok(Some(Prompt { output_tokens: told_length(item), ..Prompt::user(text.to_owned()) }))
}

fn messages(turns: &Value, read: fn(&Value) -> Option<Message>) -> Option<Vec<Message>> {
    turns.as_array()?.iter().map(read).collect()
}

fn share_gpt_turn(turn: &Value) -> Option<Message> {
    let role = match turn.get("from")?.as_str()? {
        "human" | "user" => "user",
        "system" => "system",
        _ => "assistant",
    };
    Some(Message { role, content: turn.get("value")?.as_str()?.to_owned() })
}

fn openai_turn(turn: &Value) -> Option<Message> {
    let role = match turn.get("role")?.as_str()? {
        "user" => "user",
        "system" | "developer" => "system",
        _ => "assistant",
    };
    Some(Message { role, content: turn.get("content")?.as_str()?.to_owned() })
}

/// Cuts a talk behind the user's last turn; what came next tells the length of the answer.
fn talk(mut messages: Vec<Message>, item: &Value) -> Option<Prompt> {
    let last = messages.iter().rposition(|message| message.role == "user")?;
    let answer = messages.get(last + 1).map(|message| tokens(&message.content));
    messages.truncate(last + 1);
    Some(Prompt { messages, output_tokens: told_length(item).or(answer) })
}

fn told_length(item: &Value) -> Option<u32> {
    let number = item.get("max_tokens").or_else(|| item.get("output_tokens")).and_then(Value::as_u64);
    let text = || item.get("completion").or_else(|| item.get("output")).and_then(Value::as_str).map(tokens);
    number.and_then(|number| u32::try_from(number).ok()).or_else(text)
}

fn tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(BYTES_PER_TOKEN).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str, output_tokens: Option<u32>) -> Prompt {
        Prompt { output_tokens, ..Prompt::user(text.to_owned()) }
    }

    #[test]
    fn arrays_and_lines() {
        let want = vec![user("a", None), user("b", Some(7))];
        assert_eq!(parse(r#" ["a", {"id": 1, "prompt": "b", "max_tokens": 7}]"#), Ok(want.clone()));
        assert_eq!(parse("\"a\"\n\n{\"prompt\": \"b\", \"output_tokens\": 7}\n"), Ok(want));
        assert_eq!(parse(r#"{"prompt": "b", "completion": "12345"}"#), Ok(vec![user("b", Some(2))]));
        assert_eq!(parse(""), Ok(vec![]));
        for (bad, item) in [("[1]", 1), ("{}", 1), ("\"a\"\n{\"text\": 1}", 2), ("\"a\"\n\nx", 3), ("[\"a\", {}]", 2)] {
            assert_eq!(parse(bad), Err(item), "{bad}");
        }
    }

    #[test]
    fn talks_are_cut_before_the_last_answer() {
        let talk = r#"{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"},
            {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}, {"from": "gpt", "value": "12345678"}]}"#;
        let talk = talk.replace('\n', " ");
        let got = parse(&talk).unwrap().remove(0);
        let roles: Vec<_> = got.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        assert_eq!(roles, [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")]);
        assert_eq!(got.output_tokens, Some(2));
        let openai = r#"{"messages": [{"role": "user", "content": "q"}], "max_tokens": 3}"#;
        assert_eq!(parse(openai), Ok(vec![user("q", Some(3))]));
        let answer_only = r#"{"conversations": [{"from": "gpt", "value": "b"}]}"#;
        assert_eq!(parse(answer_only), Ok(vec![]), "asks nothing");
    }
}
