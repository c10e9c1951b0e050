//! Cohere's Command and North models: every part of an answer is a block between tags of its own.

use serde_json::{Map, Value};

use super::held::{Held, Tag, plain, trimming};
use super::{Call, Calls, Machine, Out, Unreadable, json_call};

const START_THINKING: &str = "<|START_THINKING|>";
const END_THINKING: &str = "<|END_THINKING|>";
const START_ACTION: &str = "<|START_ACTION|>";
const END_ACTION: &str = "<|END_ACTION|>";
const END_OF_TURN: &str = "<|END_OF_TURN_TOKEN|>";

static THINK_ENDS: &[Tag] = &[trimming(END_THINKING)];
/// Older templates have RESPONSE where newer ones have TEXT; some models end the turn without either.
static TEXT_ENDS: &[Tag] = &[plain("<|END_TEXT|>"), plain("<|END_RESPONSE|>"), plain(END_OF_TURN)];

/// What may begin between blocks.
static BLOCKS: &[(&str, State)] = &[
    ("<|START_TEXT|>", State::Text),
    ("<|START_RESPONSE|>", State::Text),
    (START_ACTION, State::Action),
    (START_THINKING, State::Unasked),
    (END_OF_TURN, State::Between),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Thinking,
    /// Thinking that the request has refused: it is dropped.
    Unasked,
    Between,
    Text,
    /// In a block of calls, whose opening tag is held too.
    Action,
}

pub(super) struct Cohere {
    state: State,
    thinks: bool,
    held: Held,
}

impl Cohere {
    /// `continued`: the prompt ends inside of a text; `thinks`: it has opened the thinking.
    pub fn new(continued: bool, thinks: bool) -> Self {
        let state = match (continued, thinks) {
            (true, _) => State::Text,
            (_, true) => State::Thinking,
            _ => State::Between,
        };
        Self { state, thinks, held: Held::default() }
    }

    fn enter(&mut self, state: State) -> bool {
        self.state = state;
        self.held.search_from(0);
        true
    }

    fn pass(&mut self, bytes: usize, next: State) -> bool {
        self.held.skip(bytes);
        self.enter(next)
    }

    fn step(&mut self, out: &mut Out<'_>) -> bool {
        let end = match self.state {
            State::Thinking => self.held.stream(THINK_ENDS, |text| out.thinking(text)),
            State::Unasked => self.held.stream(THINK_ENDS, |_| {}),
            State::Text => self.held.stream(TEXT_ENDS, |text| out.content(text)),
            State::Between => return self.between(),
            State::Action => return self.action(out),
        };
        end.is_some_and(|(_, bytes)| self.pass(bytes, State::Between))
    }

    /// Between blocks: what is none of the tags is text without them.
    fn between(&mut self) -> bool {
        if !self.held.skip_space() {
            return false;
        }
        let text = self.held.text();
        for (tag, next) in BLOCKS {
            if text.starts_with(tag) {
                let next = if *next == State::Unasked && self.thinks { State::Thinking } else { *next };
                let gone = if next == State::Action { 0 } else { tag.len() };
                return self.pass(gone, next);
            }
        }
        let waits = BLOCKS.iter().any(|(tag, _)| tag.starts_with(text));
        !waits && self.enter(State::Text)
    }

    fn action(&mut self, out: &mut Out<'_>) -> bool {
        let end = self.held.find_one(END_ACTION).filter(|at| at + END_ACTION.len() <= self.held.longest());
        let text = self.held.text();
        if let Some(at) = end {
            let end = at + END_ACTION.len();
            out.calls(actions(text[..at].strip_prefix(START_ACTION).unwrap_or_default()), &text[..end]);
            return self.pass(end, State::Between);
        }
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&text[..cut]);
        self.pass(cut, State::Text)
    }
}

/// The calls of a block: a list of objects. Where the list is broken, the objects in it that are whole.
fn actions(raw: &str) -> Calls {
    let raw = raw.trim();
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    if let Ok(list) = serde_json::from_str::<Vec<Map<String, Value>>>(raw) {
        return list.into_iter().map(action).collect();
    }
    let calls: Vec<_> = objects(raw).filter_map(|raw| action(serde_json::from_str(raw).ok()?).ok()).collect();
    if calls.is_empty() { Err(Unreadable) } else { Ok(calls) }
}

/// `{"tool_call_id": "0", "tool_name": "f", "parameters": {…}}`.
fn action(mut object: Map<String, Value>) -> Result<Call, Unreadable> {
    let id = match json_call::take(&mut object, "tool_call_id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id),
        None | Some(Value::Null | Value::String(_)) => None,
        Some(_) => return Err(Unreadable),
    };
    Ok(Call { id, ..json_call::named(object, "tool_name", "parameters")? })
}

/// The objects of `text` whose braces match, outermost only.
fn objects(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut in_string, mut escaped) = (0_usize, 0, false, false);
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b'}' if !in_string && depth > 0 => {
                depth -= 1;
                return (depth == 0).then(|| &text[start..=at]);
            }
            _ => {}
        }
        None
    })
}

impl Machine for Cohere {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        match self.state {
            State::Thinking if !text.trim().is_empty() => out.thinking(text),
            State::Text | State::Between => out.content(text),
            // Whole objects of a list that was cut off are calls all the same.
            State::Action => {
                if let Ok(calls) = actions(text.strip_prefix(START_ACTION).unwrap_or_default()) {
                    out.calls(Ok(calls), text);
                }
            }
            State::Thinking | State::Unasked => {}
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::actions;

    #[test]
    fn whole_objects_of_a_broken_list_count() {
        let raw = r#"[{"tool_name": "f", "parameters": {"a": "}"}} {"tool_name": "g", "parameters": {x}}, {"tool_name": "h"}"#;
        let names: Vec<_> = actions(raw).unwrap().into_iter().map(|call| call.name).collect();
        assert_eq!(names, ["f", "h"]);
        assert!(actions("[{x}]").is_err() && actions("text").is_err());
        assert!(actions(" ").unwrap().is_empty());
    }
}
