//! The parser for models without one of their own: thinking between the tags, and JSON behind the tag, that their
//! template shows (the behaviour page, sections 2.5 and 7.5).

use serde_json::{Map, Value};

use super::held::{Found, Held, JsonEnd};
use super::tools::Tools;
use super::{Call, Calls, Machine, Out, Parser, Unreadable};

/// What the template of a model says about its answers.
#[derive(Debug, Clone, Default)]
pub struct Generic {
    /// The text in front of a call: `<tool_call>` for example, or `{` or `[` where the JSON has nothing in front of it.
    /// Empty: no calls are looked for.
    pub tag: String,
    /// The tags around thinking; empty where it is not told apart.
    pub think_open: String,
    /// The closing one.
    pub think_close: String,
    /// Whether the prompt ends with the opening tag.
    pub thinks: bool,
    /// Whether calls without the tag count too, bare or in a fence, at the beginning of an answer or of a line behind
    /// another call. Ollama has this for no template, so it is a choice of the caller.
    pub bare: bool,
}

/// The parser for one answer. Where no tools are declared nothing is a call.
pub fn generic(template: Generic, tools: &Tools) -> Parser {
    let thinking = !template.think_open.is_empty() && !template.think_close.is_empty();
    let state = match (thinking, template.thinks) {
        (true, true) => State::ThinkSpace,
        (true, false) => State::Begin,
        _ => State::Start,
    };
    Parser::new(Machinery { template, tools: tools.clone(), state, held: Held::default(), found: 0 })
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before anything but white space: thinking may begin.
    Begin,
    ThinkSpace,
    Thinking,
    /// The white space behind thinking.
    ContentSpace,
    /// Before anything but white space: content, where a call without a tag would stand.
    Start,
    /// Looking for the tag.
    Content,
    /// Content without calls.
    Done,
    /// Behind a tag: JSON is looked for.
    Calls,
    /// In JSON, which began at `start`.
    Json {
        start: usize,
        end: JsonEnd,
        bare: bool,
    },
    /// Behind a call without a tag: the white space and the end of its fence.
    AfterBare,
}

struct Machinery {
    template: Generic,
    tools: Tools,
    state: State,
    held: Held,
    /// Calls behind the tag so far.
    found: usize,
}

impl Machinery {
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
        match self.state {
            State::Begin => self.begin(),
            State::ThinkSpace => self.held.skip_space() && self.enter(State::Thinking),
            State::Thinking => self.think(out),
            State::ContentSpace => self.held.skip_space() && self.enter(State::Start),
            State::Start => self.start(out),
            State::Content => self.content(out),
            State::Done => {
                out.content(self.held.text());
                self.held.clear();
                false
            }
            State::Calls => self.calls(out),
            State::Json { start, end, bare } => self.json(start, end, bare, out),
            State::AfterBare => self.after_bare(),
        }
    }

    fn begin(&mut self) -> bool {
        let solid = self.held.solid();
        let text = &self.held.text()[solid..];
        let open = self.template.think_open.as_str();
        if text.starts_with(open) {
            let gone = solid + open.len();
            return self.pass(gone, State::ThinkSpace);
        }
        !open.starts_with(text) && self.enter(State::Start)
    }

    fn think(&mut self, out: &mut Out<'_>) -> bool {
        match self.held.stream_to(&self.template.think_close, true, |text| out.thinking(text)) {
            Some(bytes) => self.pass(bytes, State::ContentSpace),
            None => false,
        }
    }

    /// Decides what an answer begins with.
    fn start(&mut self, out: &mut Out<'_>) -> bool {
        if self.tools.is_empty() || self.template.tag.is_empty() && !self.template.bare {
            return self.enter(State::Done);
        }
        let solid = self.held.solid();
        let text = &self.held.text()[solid..];
        let bracket = ["{", "["].contains(&self.template.tag.as_str());
        if text.is_empty() {
            return false;
        }
        if bracket && text.starts_with(&self.template.tag) {
            // Ollama lets the white space out as it comes.
            out.content(&self.held.text()[..solid]);
            return self.pass(solid, State::Calls);
        }
        if self.template.bare && !text.starts_with(&self.template.tag) {
            match bare_start(text) {
                Bare::At(json) => {
                    self.state = State::Json { start: solid + json, end: JsonEnd::default(), bare: true };
                    self.held.search_from(solid + json);
                    return true;
                }
                Bare::Perhaps => return false,
                Bare::No => {}
            }
        }
        // A bracket counts only where it begins the answer.
        self.enter(if bracket || self.template.tag.is_empty() { State::Done } else { State::Content })
    }

    fn content(&mut self, out: &mut Out<'_>) -> bool {
        match self.held.stream_to(&self.template.tag, false, |text| out.content(text)) {
            Some(_) => self.enter(State::Calls),
            None => false,
        }
    }

    /// Looks for the next object behind a tag, which is held too; in a list each object is a call.
    fn calls(&mut self, out: &mut Out<'_>) -> bool {
        match self.held.find(&["{"]) {
            Found::Whole { at, .. } if at < self.held.longest() => {
                self.state = State::Json { start: at, end: JsonEnd::default(), bare: false };
                true
            }
            _ => self.too_long(out),
        }
    }

    fn json(&mut self, start: usize, mut end: JsonEnd, bare: bool, out: &mut Out<'_>) -> bool {
        let from = self.held.searched();
        let found = end.read(&self.held.text()[from..]).map(|bytes| from + bytes);
        self.held.search_from(self.held.text().len());
        self.state = State::Json { start, end, bare };
        let Some(end) = found.filter(|end| *end <= self.held.longest()) else { return self.too_long(out) };
        let text = self.held.text();
        let calls = if bare {
            bare_calls(&text[start..end], &self.tools)
        } else {
            tagged_call(&text[..end], start, &self.tools)
        };
        let Ok(calls) = calls else {
            return self.no_call(end, bare, out);
        };
        self.found += calls.len();
        out.calls(Ok(calls), &text[..end]);
        self.pass(end, if bare { State::AfterBare } else { State::Calls })
    }

    /// What looked like a call is text; where there is a tag, another may follow.
    fn no_call(&mut self, end: usize, bare: bool, out: &mut Out<'_>) -> bool {
        let text = &self.held.text()[..end];
        let bracket = ["{", "["].contains(&self.template.tag.as_str());
        if bare || bracket {
            out.content(text);
        } else {
            out.unreadable(text);
        }
        self.pass(end, if bracket || self.template.tag.is_empty() { State::Done } else { State::Content })
    }

    fn too_long(&mut self, out: &mut Out<'_>) -> bool {
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.pass(cut, State::Done)
    }

    fn after_bare(&mut self) -> bool {
        if !self.held.skip_space() {
            return false;
        }
        if self.held.text().starts_with("```") {
            return self.pass(3, State::ContentSpace);
        }
        !"```".starts_with(self.held.text()) && self.enter(State::Start)
    }
}

/// Whether an answer begins with a call that has no tag.
enum Bare {
    /// Its JSON begins here.
    At(usize),
    Perhaps,
    No,
}

fn bare_start(text: &str) -> Bare {
    let Some(fenced) = text.strip_prefix("```") else {
        return match text.as_bytes() {
            [b'{' | b'[', ..] => Bare::At(0),
            _ if "```".starts_with(text) => Bare::Perhaps,
            _ => Bare::No,
        };
    };
    // ```json, or another word, or none.
    let word = fenced.len() - fenced.trim_start_matches(|next: char| next.is_ascii_alphanumeric() || next == '_').len();
    let json = fenced[word..].trim_start();
    match json.as_bytes() {
        [] if word <= 16 => Bare::Perhaps,
        [b'{' | b'[', ..] => Bare::At(text.len() - json.len()),
        _ => Bare::No,
    }
}

/// A call behind a tag: a name anywhere in the text, and the object.
fn tagged_call(text: &str, start: usize, tools: &Tools) -> Calls {
    let first = tools.names().filter_map(|name| Some((text.find(name)?, name)));
    // At the same place the longer name: `get_weather` is not `get`.
    let (_, name) = first.min_by_key(|(at, name)| (*at, usize::MAX - name.len())).ok_or(Unreadable)?;
    let object: Map<String, Value> = serde_json::from_str(&text[start..]).map_err(|_| Unreadable)?;
    let arguments = match arguments(&object, name) {
        Search::Found(arguments) => arguments,
        Search::Nameless => return Err(Unreadable),
        Search::Nothing => object,
    };
    Ok(vec![called(name, arguments)])
}

fn called(name: &str, mut arguments: Map<String, Value>) -> Call {
    arguments.values_mut().for_each(Value::sort_all_objects);
    Call { name: name.to_owned(), arguments, ..Call::default() }
}

enum Search {
    Found(Map<String, Value>),
    /// An object with a name, but without arguments.
    Nameless,
    Nothing,
}

/// The arguments in an object: beside its name, under the name of the tool, or deeper in it.
fn arguments(object: &Map<String, Value>, tool: &str) -> Search {
    let field = |name: &str| match object.get(name)? {
        Value::Object(arguments) => Some(arguments.clone()),
        Value::String(json) => serde_json::from_str(json).ok(),
        _ => None,
    };
    if object.contains_key("name") {
        return field("arguments").or_else(|| field("parameters")).map_or(Search::Nameless, Search::Found);
    }
    if let Some(arguments) = field(tool) {
        return Search::Found(arguments);
    }
    let children = object.values().flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        value => std::slice::from_ref(value),
    });
    let found = children.filter_map(Value::as_object).map(|child| arguments(child, tool));
    found.into_iter().find(|search| !matches!(search, Search::Nothing)).unwrap_or(Search::Nothing)
}

/// Calls without a tag: an object with the name of a tool and arguments, or a list of such.
fn bare_calls(json: &str, tools: &Tools) -> Calls {
    let items = match serde_json::from_str(json).map_err(|_| Unreadable)? {
        Value::Array(items) => items,
        item => vec![item],
    };
    let call = |item: &Value| {
        let object = item.as_object()?;
        let function = object.get("function").and_then(Value::as_object).unwrap_or(object);
        let name = tools.get(function.get("name")?.as_str()?)?.name.as_str();
        match arguments(function, name) {
            Search::Found(arguments) => Some(called(name, arguments)),
            _ => None,
        }
    };
    let calls: Option<Vec<_>> = items.iter().map(call).collect();
    calls.filter(|calls| !calls.is_empty()).ok_or(Unreadable)
}

impl Machine for Machinery {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        let bracket = ["{", "["].contains(&self.template.tag.as_str());
        match self.state {
            State::Thinking if !text.trim().is_empty() => out.thinking(text),
            State::Begin | State::Start | State::Content | State::Done | State::Json { bare: true, .. } => {
                out.content(text);
            }
            State::Calls | State::Json { .. } if bracket && self.found == 0 => out.content(text),
            // A brace or a quote that is missing looks like an answer that was cut off: either goes out as it is.
            State::Json { start, .. } if !bracket => {
                out.unreadable(&text[text[..start].rfind(&self.template.tag).unwrap_or(0)..]);
            }
            // What follows a tag or a call without being one is dropped.
            _ => {}
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Answer, parse};
    use super::{Generic, Tools, generic};

    fn answer(template: &Generic, text: &str) -> Answer {
        let tools = ["get", "get_weather"].map(|name| json!({"function": {"name": name}}));
        parse(|| generic(template.clone(), &Tools::new(&tools)), text)
    }

    fn with_tag(tag: &str, bare: bool) -> Generic {
        Generic { tag: tag.to_owned(), bare, ..Generic::default() }
    }

    /// Content, and calls as `[name, arguments]`.
    fn read(template: &Generic, text: &str) -> (String, Value) {
        let answer = answer(template, text);
        (answer.content, answer.calls.iter().map(|call| json!([call.name, call.arguments])).collect())
    }

    const CALL: &str = r#"{"name": "get_weather", "arguments": {"city": "Paris"}}"#;

    fn one_call() -> Value {
        json!([["get_weather", {"city": "Paris"}]])
    }

    #[test]
    fn calls_stand_behind_the_tag() {
        for (tag, text, content, calls) in [
            ("<tool_call>", format!("a<tool_call>{CALL}</tool_call>"), "a", one_call()),
            ("[TOOL_CALLS] [", format!("[TOOL_CALLS] [{CALL}]"), "", one_call()),
            ("{", format!(" \n{CALL}"), " \n", one_call()),
            ("[", format!("[{CALL}, {CALL}]"), "", json!([one_call()[0], one_call()[0]])),
            ("{", format!("a {CALL}"), &format!("a {CALL}"), json!([])),
            ("{", r#"{"name": "nope"} more"#.to_owned(), r#"{"name": "nope"} more"#, json!([])),
            ("<tool_call>", r#"<tool_call>{"get": {"x": 1}}"#.to_owned(), "", json!([["get", {"x": 1}]])),
            ("<tool_call>", r#"<tool_call>get {"x": 1}"#.to_owned(), "", json!([["get", {"x": 1}]])),
            ("<tool_call>", r#"<tool_call>{"c": [{"name": "get", "parameters": "{}"}]}"#.to_owned(), "", {
                json!([["get", {}]])
            }),
            (
                "<tool_call>",
                format!("<tool_call>{{get x}}</tool_call><tool_call>{CALL}"),
                "<tool_call>{get x}</tool_call>",
                { one_call() },
            ),
            ("", format!("<tool_call>{CALL}"), &format!("<tool_call>{CALL}"), json!([])),
            // A brace is missing, and a quote.
            (
                "<tool_call>",
                format!("<tool_call>{CALL}</tool_call>\n<tool_call>{{{CALL}</tool_call>"),
                &format!("<tool_call>{{{CALL}</tool_call>"),
                one_call(),
            ),
            ("<tool_call>", r#"a <tool_call>{"name": "get}}"#.to_owned(), r#"a <tool_call>{"name": "get}}"#, json!([])),
        ] {
            assert_eq!(read(&with_tag(tag, false), &text), (content.to_owned(), calls), "{tag} {text}");
        }
    }

    #[test]
    fn bare_and_fenced_calls_count_where_they_are_wanted() {
        let bare = with_tag("<tool_call>", true);
        let fenced = format!("```json\n{CALL}\n```");
        for (text, content, calls) in [
            (CALL.to_owned(), "", one_call()),
            (format!("\n{fenced}\n"), "", one_call()),
            (format!("```\n[{CALL}]\n```"), "", one_call()),
            (format!("{fenced}\n{fenced}\nDone."), "Done.", json!([one_call()[0], one_call()[0]])),
            (format!(r#"{{"type": "function", "function": {CALL}}}"#), "", one_call()),
            (format!("a <tool_call>{CALL}</tool_call>"), "a ", one_call()),
            ("```json\n{\"a\": 1}\n```".to_owned(), "```json\n{\"a\": 1}\n```", json!([])),
            ("```rust\nfn main() {}\n```".to_owned(), "```rust\nfn main() {}\n```", json!([])),
            (r#"{"name": "nope", "arguments": {}}"#.to_owned(), r#"{"name": "nope", "arguments": {}}"#, json!([])),
            ("{bad".to_owned(), "{bad", json!([])),
            ("``".to_owned(), "``", json!([])),
        ] {
            assert_eq!(read(&bare, &text), (content.to_owned(), calls), "{text}");
        }
    }

    #[test]
    fn thinking_is_split_off() {
        let tags = |thinks| Generic {
            tag: "{".to_owned(),
            think_open: "<think>".to_owned(),
            think_close: "</think>".to_owned(),
            thinks,
            bare: false,
        };
        for (thinks, text, thinking, content) in [
            (false, " <think>\n hm \n</think>\n\n ok ", "hm", "ok "),
            (false, " ok <think>x</think>", "", " ok <think>x</think>"),
            (false, "<thi", "", "<thi"),
            (true, "\nhm</thi nk</think>ok", "hm</thi nk", "ok"),
            (true, "hm</thi", "hm</thi", ""),
            (true, "hm\n", "hm", ""),
        ] {
            let answer = answer(&tags(thinks), text);
            assert_eq!((answer.thinking.as_str(), answer.content.as_str()), (thinking, content), "{text}");
        }
        let both = answer(&tags(false), &format!("<think>x</think>{CALL}"));
        assert_eq!((both.thinking.as_str(), both.calls.len()), ("x", 1));
    }
}
