//! Laguna (Poolside): tags for thinking and calls, and calls where there should be none: as bare JSON, or in the tags
//! of a user's message.

use serde_json::Map;

use super::held::{Found, Held, JsonEnd, Tag, plain, trimming};
use super::tools::Tools;
use super::value::between_tags;
use super::{Call, Calls, Machine, Out, Unreadable, json_call};

const THINK: &str = "<think>";
const THINK_END: &str = "</think>";
const CALL: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";
const USER: &str = "<user>";
const USER_END: &str = "</user>";

static THINK_ENDS: &[Tag] = &[trimming(THINK_END), trimming(CALL)];
static CONTENT_ENDS: &[Tag] = &[trimming(CALL), plain(THINK), plain(THINK_END), trimming(USER)];

/// Names that the models learnt for tools that others call differently.
const ALIASES: [(&str, &str); 4] =
    [("read_file", "read"), ("write_file", "write"), ("edit_file", "edit"), ("web_fetch", "webfetch")];

#[derive(Debug, Clone, Copy)]
enum State {
    /// The prompt has opened the thinking; a model that opens it again is forgiven.
    Begin,
    /// The white space in front of thinking.
    ThinkSpace,
    Thinking,
    /// The white space in front of content, where bare JSON may be a call.
    ContentSpace,
    Content,
    /// In a call or in a user's message, whose opening tag and the space in front of it are held too.
    Call {
        body: usize,
    },
    User {
        body: usize,
    },
    /// In an object that may be a call.
    Json(JsonEnd),
}

pub(super) struct Laguna {
    state: State,
    held: Held,
    tools: Tools,
    shows_thinking: bool,
    untouched: bool,
}

impl Laguna {
    /// `continued`: the prompt ends inside of an answer.
    pub fn new(thinks: bool, continued: bool, tools: Tools) -> Self {
        let state = if thinks && !continued { State::Begin } else { State::ContentSpace };
        Self { state, held: Held::default(), tools, shows_thinking: thinks, untouched: true }
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

    fn enter_body(&mut self, body: usize, state: State) -> bool {
        self.state = state;
        self.held.search_from(body);
        true
    }

    fn step(&mut self, out: &mut Out<'_>) -> bool {
        match self.state {
            State::Begin => self.begin(),
            State::ThinkSpace => self.held.skip_space() && self.enter(State::Thinking),
            State::Thinking => self.think(out),
            State::ContentSpace => self.content_space(),
            State::Content => self.content(out),
            State::Call { body } => self.call(body, out),
            State::User { body } => self.user(body, out),
            State::Json(end) => self.json(end, out),
        }
    }

    fn begin(&mut self) -> bool {
        if !self.held.skip_space() {
            return false;
        }
        let text = self.held.text();
        if text.starts_with(THINK) {
            return self.pass(THINK.len(), State::ThinkSpace);
        }
        !THINK.starts_with(text) && self.enter(State::Thinking)
    }

    fn think(&mut self, out: &mut Out<'_>) -> bool {
        let shows = self.shows_thinking;
        let show = |text: &str| {
            if shows {
                out.thinking(text);
            }
        };
        match self.held.stream(THINK_ENDS, show) {
            None => false,
            Some((0, bytes)) => self.pass(bytes, State::ContentSpace),
            Some((_, bytes)) => {
                self.held.skip(bytes - CALL.len());
                self.enter_body(CALL.len(), State::Call { body: CALL.len() })
            }
        }
    }

    fn content_space(&mut self) -> bool {
        if !self.held.skip_space() {
            return false;
        }
        let Some(inside) = self.held.text().strip_prefix('{').filter(|_| !self.tools.is_empty()) else {
            return self.enter(State::Content);
        };
        match inside.trim_start().bytes().next() {
            None => false,
            Some(b'"') => self.enter(State::Json(JsonEnd::default())),
            Some(_) => self.enter(State::Content),
        }
    }

    fn content(&mut self, out: &mut Out<'_>) -> bool {
        let ends = if self.tools.is_empty() { &CONTENT_ENDS[..3] } else { CONTENT_ENDS };
        let untouched = &mut self.untouched;
        let end = self.held.stream(ends, |text| {
            *untouched = false;
            out.content(text);
        });
        match end {
            None => false,
            Some((0, body)) => self.enter_body(body, State::Call { body }),
            Some((1, bytes)) => self.pass(bytes, State::ThinkSpace),
            // The end of a thinking that never began.
            Some((2, bytes)) => self.pass(bytes, if self.untouched { State::ContentSpace } else { State::Content }),
            Some((_, body)) => self.enter_body(body, State::User { body }),
        }
    }

    fn call(&mut self, body: usize, out: &mut Out<'_>) -> bool {
        self.untouched = false;
        let end = self.held.find_one(CALL_END).filter(|at| at + CALL_END.len() <= self.held.longest());
        let text = self.held.text();
        if let Some(at) = end {
            let end = at + CALL_END.len();
            let read = out.calls(call(&text[body..at], &self.tools), &text[..end]);
            return self.pass(end, if read { State::ContentSpace } else { State::Content });
        }
        self.too_long(out)
    }

    fn too_long(&mut self, out: &mut Out<'_>) -> bool {
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.pass(cut, State::Content)
    }

    fn user(&mut self, body: usize, out: &mut Out<'_>) -> bool {
        let longest = self.held.longest();
        let (at, is_end) = match self.held.find(&[USER_END, CALL]) {
            Found::Whole { at, tag } if at + USER_END.len() <= longest => (at, tag == 0),
            _ => return self.too_long(out),
        };
        self.untouched = false;
        let text = self.held.text();
        if !is_end {
            // The message is not one: what it begins with is text.
            out.content(&text[..body]);
            return self.pass(body, State::Content);
        }
        let raw = &text[body..at];
        let end = at + USER_END.len();
        match call(raw, &self.tools) {
            Ok(calls) if calls.iter().all(|call| self.tools.get(&call.name).is_some()) => {
                out.calls(Ok(calls), &text[..end]);
                self.pass(end, State::ContentSpace)
            }
            _ => {
                out.content(&text[..end]);
                self.pass(end, State::Content)
            }
        }
    }

    fn json(&mut self, mut end: JsonEnd, out: &mut Out<'_>) -> bool {
        let from = self.held.searched();
        let found = end.read(&self.held.text()[from..]).map(|bytes| from + bytes);
        self.held.search_from(self.held.text().len());
        self.state = State::Json(end);
        let Some(end) = found.filter(|end| *end <= self.held.longest()) else { return self.too_long(out) };
        self.untouched = false;
        let raw = &self.held.text()[..end];
        if !may_be_call(raw) {
            out.content(raw);
            return self.pass(end, State::Content);
        }
        let read = out.calls(call(raw, &self.tools), raw);
        self.pass(end, if read { State::ContentSpace } else { State::Content })
    }
}

fn may_be_call(json: &str) -> bool {
    json.contains("\"name\"") || json.contains("\"arguments\"")
}

/// The name that the request has for a tool.
fn resolved<'a>(name: &'a str, tools: &Tools) -> &'a str {
    if tools.get(name).is_some() {
        return name;
    }
    let alias = ALIASES.iter().find(|(learnt, _)| *learnt == name).map(|(_, tool)| *tool);
    alias.filter(|alias| tools.get(alias).is_some()).unwrap_or(name)
}

/// A call: JSON, or a name with keys and values in tags, or a name with the JSON of its arguments.
fn call(raw: &str, tools: &Tools) -> Calls {
    let raw = inner(raw);
    if raw.starts_with('{') {
        let mut calls = json_call::object(raw, tools)?;
        for call in &mut calls {
            call.name = resolved(&call.name, tools).to_owned();
        }
        return Ok(calls);
    }
    let end = raw.find("<arg_key>").or_else(|| raw.find('{')).unwrap_or(raw.len());
    let (name, arguments) = raw.split_at(end);
    let name = resolved(name.trim(), tools);
    if name.is_empty() {
        return Err(Unreadable);
    }
    if arguments.starts_with('{') {
        return Ok(vec![json_call::with_arguments(name, arguments)?]);
    }
    let tool = tools.get(name);
    let mut read = Map::new();
    let mut rest = arguments;
    while let Some((key, value, after)) = pair(rest) {
        let types = tool.map(|tool| tool.types(key.trim())).unwrap_or_default();
        read.insert(key.trim().to_owned(), between_tags(value, types));
        rest = after;
    }
    Ok(vec![Call { name: name.to_owned(), arguments: read, ..Call::default() }])
}

/// The next key and value in tags, and the text behind them.
fn pair(mut text: &str) -> Option<(&str, &str, &str)> {
    loop {
        let (_, rest) = text.split_once("<arg_key>")?;
        let (key, after) = rest.split_once("</arg_key>")?;
        if let Some(value) = after.trim_start().strip_prefix("<arg_value>") {
            let (value, rest) = value.split_once("</arg_value>")?;
            return Some((key, value, rest));
        }
        text = after;
    }
}

/// The call without opening tags that were written twice.
fn inner(raw: &str) -> &str {
    let mut raw = raw.trim();
    while let Some(rest) = raw.strip_prefix(CALL) {
        raw = rest.trim();
    }
    let (before, after) = raw.split_once(CALL).unwrap_or((raw, ""));
    if before.trim().is_empty() { after.trim() } else { before.trim() }
}

impl Machine for Laguna {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        match self.state {
            State::Begin | State::Thinking if self.shows_thinking => out.thinking(text.trim_end()),
            // Models stop at the closing tag.
            State::Call { body } if !text[body..].trim().is_empty() => {
                out.calls(call(&text[body..], &self.tools), text);
            }
            State::Json(_) if may_be_call(text) => out.unreadable(text),
            State::ContentSpace | State::Content | State::User { .. } | State::Json(_) => out.content(text.trim_end()),
            State::Begin | State::ThinkSpace | State::Thinking | State::Call { .. } => {}
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Tools, call};

    #[test]
    fn calls_come_in_many_forms() {
        let tools = Tools::new(&[json!({"function": {"name": "read"}}), json!({"function": {"name": "f"}})]);
        for (raw, name, arguments) in [
            (r#"{"name": "read_file", "arguments": {"a": 1}}"#, "read", json!({"a": 1})),
            ("f<arg_key> a </arg_key> <arg_value>1</arg_value>", "f", json!({"a": "1"})),
            ("f<arg_key>a</arg_key><arg_key>b</arg_key><arg_value>1</arg_value>", "f", json!({"b": "1"})),
            (r#"web_fetch {"a": 1}"#, "web_fetch", json!({"a": 1})),
            ("<tool_call> <tool_call>f\n<tool_call>g", "f", json!({})),
        ] {
            let calls = call(raw, &tools).unwrap();
            assert_eq!((calls[0].name.as_str(), json!(calls[0].arguments)), (name, arguments), "{raw}");
        }
        for raw in ["", "{x}", "f{x}", "<tool_call>"] {
            assert!(call(raw, &tools).is_err(), "{raw}");
        }
    }
}
