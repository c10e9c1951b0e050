//! Streams in a form that does not tell how their text was cut into events.
//!
//! Events that only carry text melt into one part for each run of the same field; tool calls are collected, because it
//! does not count which event carries them. All else stays an event of its own.

use serde_json::{Value, json};

use crate::values::{Differences, settle, trim_blank_lines};

/// Where a route's streams have their text.
struct Dialect {
    /// JSON pointers to fields with text.
    texts: &'static [&'static str],
    /// The object that may hold `tool_calls`, and a `role` that only the first event needs.
    message: &'static str,
    /// Whether an event says that more will come.
    is_open: fn(&Value) -> bool,
}

const GENERATE: Dialect =
    Dialect { texts: &["/response", "/thinking"], message: "", is_open: |event| event["done"] == false };
const CHAT: Dialect = Dialect {
    texts: &["/message/content", "/message/thinking"],
    message: "/message",
    is_open: |event| event["done"] == false,
};
const OPENAI: Dialect = Dialect {
    texts: &["/data/choices/0/delta/content", "/data/choices/0/delta/reasoning", "/data/choices/0/text"],
    message: "/data/choices/0/delta",
    is_open: |event| event.pointer("/data/choices/0/finish_reason").is_some_and(Value::is_null),
};
const ANTHROPIC: Dialect = Dialect {
    texts: &["/data/delta/text", "/data/delta/thinking", "/data/delta/partial_json"],
    message: "",
    is_open: |event| event["data"]["type"] == "content_block_delta",
};
const RESPONSES: Dialect = Dialect {
    texts: &["/data/delta"],
    message: "",
    is_open: |event| event["data"]["type"].as_str().is_some_and(|kind| kind.rsplit('.').next() == Some("delta")),
};

fn dialect(path: &str) -> Option<&'static Dialect> {
    match path {
        "/api/generate" => Some(&GENERATE),
        "/api/chat" => Some(&CHAT),
        "/v1/chat/completions" | "/v1/completions" => Some(&OPENAI),
        "/v1/messages" => Some(&ANTHROPIC),
        "/v1/responses" => Some(&RESPONSES),
        _ => None,
    }
}

/// Progress that may come or not (the behaviour page, section 6.5).
fn is_progress(event: &Value) -> bool {
    event["status"]
        .as_str()
        .is_some_and(|status| status.starts_with("quantizing ") || status.starts_with("validating "))
}

#[derive(Debug)]
enum Part {
    /// Text of one field, and what its events look like without it; `None`: a stray piece that says nothing of that.
    Text {
        field: &'static str,
        text: String,
        shape: Option<Value>,
    },
    Event(Value),
}

/// A stream without its cuts.
#[derive(Debug, Default)]
struct Melted {
    parts: Vec<Part>,
    calls: Vec<Value>,
    roles: Vec<Value>,
}

impl Melted {
    fn of(path: &str, events: &[Value]) -> Melted {
        let mut melted = Melted::default();
        let events = events.iter().filter(|event| !is_progress(event));
        let Some(dialect) = dialect(path) else {
            melted.parts = events.cloned().map(Part::Event).collect();
            return melted;
        };
        events.for_each(|event| melted.take(dialect, event.clone()));
        melted.tidy();
        melted
    }

    fn take(&mut self, dialect: &Dialect, mut event: Value) {
        if let Some(data) = event.get_mut("data").and_then(Value::as_object_mut) {
            // It counts the events, whose number depends on the cuts.
            data.shift_remove("sequence_number");
        }
        if let Some(message) = event.pointer_mut(dialect.message).and_then(Value::as_object_mut) {
            if let Some(Value::Array(calls)) = message.shift_remove("tool_calls") {
                self.calls.extend(calls);
            }
            if dialect.message.starts_with("/data")
                && let Some(role) = message.shift_remove("role")
            {
                self.roles.push(role);
            }
        }
        let mut texts = Vec::new();
        for field in dialect.texts {
            if let Some(Value::String(text)) = event.pointer_mut(field)
                && !text.is_empty()
            {
                texts.push((*field, std::mem::take(text)));
            }
        }
        let (open, alone) = ((dialect.is_open)(&event), texts.len() == 1);
        for (field, text) in texts {
            self.append(field, &text, (open && alone).then(|| event.clone()));
        }
        if !open {
            self.parts.push(Part::Event(event));
        }
    }

    fn append(&mut self, field: &'static str, more: &str, its_shape: Option<Value>) {
        let follows = matches!(self.parts.last(), Some(Part::Text { field: known, .. }) if *known == field);
        let last = self.parts.iter_mut().rev().find_map(|part| match part {
            Part::Text { field: known, text, shape } if *known == field => Some((text, shape)),
            _ => None,
        });
        match last {
            Some((text, shape)) if follows || its_shape.is_none() => {
                text.push_str(more);
                // One shape stands for all; volatile fields make it differ from event to event.
                *shape = shape.take().or(its_shape);
            }
            _ => self.parts.push(Part::Text { field, text: more.to_owned(), shape: its_shape }),
        }
    }

    /// Takes out what only carried blank lines, and counts Anthropic's blocks anew.
    fn tidy(&mut self) {
        for part in &mut self.parts {
            match part {
                Part::Text { text, .. } => *text = trim_blank_lines(text).to_owned(),
                Part::Event(event) => settle(event, true),
            }
        }
        self.parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.is_empty()));
        let kind = |part: Option<&Part>| match part {
            Some(Part::Event(event)) => event["data"]["type"].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let is_text =
            |part: &Part| matches!(part, Part::Event(event) if event["data"]["content_block"]["type"] == "text");
        let (mut at, mut blocks) = (0, 0_u64);
        while at < self.parts.len() {
            let starts = kind(self.parts.get(at)) == "content_block_start";
            if starts && is_text(&self.parts[at]) && kind(self.parts.get(at + 1)) == "content_block_stop" {
                self.parts.drain(at..at + 2);
                continue;
            }
            blocks += u64::from(starts);
            let (Part::Event(event) | Part::Text { shape: Some(event), .. }) = &mut self.parts[at] else {
                at += 1;
                continue;
            };
            if event["data"]["type"].as_str().is_some_and(|kind| kind.starts_with("content_block"))
                && let Some(index) = event.pointer_mut("/data/index")
            {
                *index = json!(blocks.saturating_sub(1));
            }
            at += 1;
        }
    }

    /// What kinds of parts there are, for a message.
    fn outline(&self) -> Value {
        let name = |part: &Part| match part {
            Part::Text { field, text, .. } => json!({ *field: text }),
            Part::Event(event) => event.clone(),
        };
        self.parts.iter().map(name).collect()
    }
}

/// Compares two streams; their events must be settled.
pub fn compare(path: &str, expected: &[Value], got: &[Value], differences: &mut Differences<'_>) {
    let (expected, got) = (Melted::of(path, expected), Melted::of(path, got));
    differences.compare("$ tool_calls", &json!(expected.calls), &json!(got.calls));
    differences.compare("$ role", &json!(expected.roles), &json!(got.roles));
    if expected.parts.len() != got.parts.len() {
        return differences.compare("$ parts", &expected.outline(), &got.outline());
    }
    for (at, parts) in expected.parts.iter().zip(&got.parts).enumerate() {
        let path = format!("$[{at}]");
        match parts {
            (Part::Event(expected), Part::Event(got)) => differences.compare(&path, expected, got),
            (Part::Text { field, text, shape }, Part::Text { field: got_field, text: got, shape: got_shape }) => {
                differences.compare(&format!("{path} field"), &json!(field), &json!(got_field));
                differences.compare(&format!("{path} joined"), &json!(text), &json!(got));
                if let (Some(shape), Some(got)) = (shape, got_shape) {
                    differences.compare(&format!("{path} event"), shape, got);
                }
            }
            _ => differences.compare("$ parts", &expected.outline(), &got.outline()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(path: &str, expected: &Value, got: &Value) -> Vec<String> {
        let mut differences = Differences { loose: &[], found: Vec::new() };
        let events = |value: &Value| value.as_array().cloned().expect("a list of events");
        compare(path, &events(expected), &events(got), &mut differences);
        differences.found
    }

    fn chat(text: &str, done: bool) -> Value {
        json!({"created_at": "now", "message": {"role": "assistant", "content": text}, "done": done})
    }

    #[test]
    fn cuts_and_blank_lines_do_not_count() {
        let recorded = json!([chat("\n\nHel", false), chat("lo\n", false), chat("there", false), chat("", true)]);
        let whole = json!([chat("Hello\nthere", false), chat("", true)]);
        assert_eq!(differ("/api/chat", &recorded, &whole), [""; 0]);
        let at_the_end = json!([chat("Hello\n", false), chat("there", true)]);
        assert_eq!(differ("/api/chat", &recorded, &at_the_end), [""; 0]);
    }

    #[test]
    fn text_shape_and_order_count() {
        let recorded = json!([chat("Hello", false), chat("", true)]);
        assert_eq!(differ("/api/chat", &recorded, &json!([chat("Hallo", false), chat("", true)])).len(), 1);
        assert_eq!(differ("/api/chat", &recorded, &json!([chat("Hello", false)])).len(), 1, "the last event");
        let bare = json!({"created_at": "now", "message": {"content": "Hello"}, "done": false});
        assert_eq!(differ("/api/chat", &recorded, &json!([bare, chat("", true)])).len(), 1, "a role is missing");
        let think =
            json!({"created_at": "now", "message": {"role": "a", "content": "", "thinking": "x"}, "done": false});
        let first = json!([think, chat("Hello", false), chat("", true)]);
        let second = json!([chat("Hello", false), think, chat("", true)]);
        assert!(!differ("/api/chat", &first, &second).is_empty());
        assert_eq!(differ("/api/chat", &first, &first), [""; 0]);
    }

    #[test]
    fn the_event_of_a_tool_call_does_not_count() {
        let mut last = chat("", true);
        last["message"]["tool_calls"] = json!([{"id": "x", "function": {"name": "f"}}]);
        let recorded = json!([chat("\n\n", false), last]);
        let mut before = chat("", false);
        before["message"]["tool_calls"] = json!([{"id": "y", "function": {"name": "f"}}]);
        assert_eq!(differ("/api/chat", &recorded, &json!([before, chat("", true)])), [""; 0]);
        assert_eq!(differ("/api/chat", &recorded, &json!([chat("", true)])).len(), 1);
    }

    #[test]
    fn progress_may_come_or_not_and_blank_blocks_too() {
        let status = |text: &str| json!({"status": text});
        let recorded = json!([status("verifying conversion"), status("success")]);
        let more = json!([status("quantizing F16 model to Q8_0"), status("verifying conversion"), status("success")]);
        assert_eq!(differ("/api/create", &recorded, &more), [""; 0]);
        assert_eq!(differ("/api/create", &recorded, &json!([status("success")])).len(), 1);
        let block = |kind: &str, index: u8| {
            let start = json!({"type": "content_block_start", "index": index, "content_block": {"type": kind}});
            let stop = json!({"type": "content_block_stop", "index": index});
            [json!({"data": start}), json!({"data": stop})]
        };
        let two: Value = [block("text", 0), block("tool_use", 1)].concat().into();
        let one: Value = block("tool_use", 0).to_vec().into();
        assert_eq!(differ("/v1/messages", &two, &one), [""; 0]);
    }
}
