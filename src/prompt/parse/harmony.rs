//! Harmony, the format of gpt-oss: messages whose headers name a channel, and a recipient where they are calls.

use super::held::{Found, Held, Tag, plain};
use super::tools::Tools;
use super::{Calls, Machine, Out, Unreadable, json_call};
use crate::model::message::Message;

const START: &str = "<|start|>";
const HEADER_END: &str = "<|message|>";
const CHANNEL: &str = "<|channel|>";
const CONSTRAIN: &str = "<|constrain|>";

static MESSAGE_ENDS: &[Tag] = &[plain("<|end|>")];
/// What ends the arguments of a call; nothing else may follow them.
const CALL_ENDS: [&str; 2] = ["<|end|>", "<|call|>"];

/// Tools that the models know by names with a dot.
const BUILT_IN: [&str; 4] = ["browser.open", "browser.search", "browser.find", "python"];

/// The names by which a prompt calls the tools: identifiers of TypeScript, each of them once.
pub fn tool_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut given: Vec<String> = Vec::new();
    for name in names {
        let identifier = identifier(name);
        let numbered = (2..).map(|count| format!("{identifier}_{count}"));
        let mut free = std::iter::once(identifier.clone()).chain(numbered).filter(|name| !given.contains(name));
        let derived = if BUILT_IN.contains(&name) { name.to_owned() } else { free.next().unwrap_or_default() };
        given.push(derived);
    }
    given
}

fn identifier(name: &str) -> String {
    let valid = |next: char| match next {
        ' ' | '-' | '.' => Some('_'),
        '_' | '$' => Some(next),
        _ => next.is_alphanumeric().then_some(next),
    };
    let identifier: String = name.chars().filter_map(valid).collect();
    match identifier.chars().next() {
        None => "unnamed".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{identifier}"),
        Some(_) => identifier,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Between messages; what stands there is dropped.
    Between,
    Header,
    Content,
    Thinking,
    /// In the arguments of a call of this tool, by the name in the header.
    Call(String),
}

pub(super) struct Harmony {
    state: State,
    held: Held,
    /// The name in prompts, and the name in the request.
    names: Vec<(String, String)>,
}

impl Harmony {
    pub fn new(tools: &Tools, last: Option<&Message>) -> Self {
        let state = match last.filter(|last| last.role == "assistant") {
            Some(last) if !last.content.is_empty() => State::Content,
            Some(last) if !last.thinking.is_empty() => State::Thinking,
            _ => State::Header,
        };
        let names = tool_names(tools.names()).into_iter().zip(tools.names().map(str::to_owned)).collect();
        Self { state, held: Held::default(), names }
    }

    fn pass(&mut self, bytes: usize, next: State) -> bool {
        self.held.skip(bytes);
        self.held.search_from(0);
        self.state = next;
        true
    }

    fn step(&mut self, out: &mut Out<'_>) -> bool {
        let end = match self.state {
            State::Between => return self.between(),
            State::Header => return self.header(out),
            State::Call(_) => return self.call(out),
            State::Content => self.held.stream(MESSAGE_ENDS, |text| out.content(text)),
            State::Thinking => self.held.stream(MESSAGE_ENDS, |text| out.thinking(text)),
        };
        end.is_some_and(|(_, bytes)| self.pass(bytes, State::Between))
    }

    fn between(&mut self) -> bool {
        match self.held.find(&[START]) {
            Found::Whole { at, .. } => return self.pass(at + START.len(), State::Header),
            Found::Partial(at) => self.held.skip(at),
            Found::Nothing => self.held.clear(),
        }
        false
    }

    fn header(&mut self, out: &mut Out<'_>) -> bool {
        let end = self.held.find_one(HEADER_END).filter(|at| at + HEADER_END.len() <= self.held.longest());
        if let Some(at) = end {
            let next = header(&self.held.text()[..at]);
            return self.pass(at + HEADER_END.len(), next);
        }
        let Some(cut) = self.held.overflow() else { return false };
        out.content(&self.held.text()[..cut]);
        self.pass(cut, State::Content)
    }

    fn call(&mut self, out: &mut Out<'_>) -> bool {
        let longest = self.held.longest();
        if let Found::Whole { at, tag } = self.held.find(&CALL_ENDS)
            && at + CALL_ENDS[tag].len() <= longest
        {
            self.finish_call(at, out);
            return self.pass(at + CALL_ENDS[tag].len(), State::Between);
        }
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.pass(cut, State::Content)
    }

    /// Gives out the call whose arguments end at `end`.
    fn finish_call(&self, end: usize, out: &mut Out<'_>) {
        let raw = &self.held.text()[..end];
        out.calls(self.read(raw), raw);
    }

    fn read(&self, raw: &str) -> Calls {
        let State::Call(name) = &self.state else { return Err(Unreadable) };
        let name = name.strip_prefix("functions.").unwrap_or(name);
        let known = self.names.iter().find(|(in_prompts, _)| in_prompts == name);
        Ok(vec![json_call::with_arguments(known.map_or(name, |(_, name)| name), raw)?])
    }
}

/// Where a message goes by its header: the role, a recipient and a channel, in any order but the role.
fn header(raw: &str) -> State {
    let raw = raw.replacen(CONSTRAIN, " <|constrain|>", 1);
    let (channel, rest) = match raw.split_once(CHANNEL) {
        None => ("", raw.clone()),
        Some((before, after)) => {
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            (&after[..end], format!("{before}{}", &after[end..]))
        }
    };
    // The role is in the prompt, or comes first; a recipient may stand in its place.
    let recipient = rest.split_whitespace().take(2).find_map(|word| word.strip_prefix("to=")).unwrap_or_default();
    match channel {
        "analysis" | "commentary" if !recipient.is_empty() => State::Call(recipient.to_owned()),
        "analysis" => State::Thinking,
        _ => State::Content,
    }
}

impl Machine for Harmony {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        match self.state {
            State::Content => out.content(text),
            State::Thinking => out.thinking(text),
            State::Call(_) => self.finish_call(text.len(), out),
            State::Between | State::Header => {}
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{State, header, tool_names};

    #[test]
    fn names_become_identifiers() {
        let names = ["get weather", "get-weather", "get.weather", "3d", "", "🦙", "browser.open", "naïve$", "f!g"];
        let want = ["get_weather", "get_weather_2", "get_weather_3", "_3d", "unnamed", "unnamed_2", "browser.open"];
        assert_eq!(tool_names(names), [&want[..], &["naïve$", "fg"]].concat());
    }

    #[test]
    fn headers_are_read() {
        let call = |name: &str| State::Call(name.to_owned());
        for (raw, want) in [
            ("", State::Content),
            ("<|channel|>analysis", State::Thinking),
            ("assistant<|channel|>final", State::Content),
            ("assistant<|channel|>commentary", State::Content),
            ("assistant<|channel|>commentary to=functions.f <|constrain|>json", call("functions.f")),
            ("assistant to=functions.f<|channel|>commentary<|constrain|>json", call("functions.f")),
            ("to=browser.search<|channel|>analysis", call("browser.search")),
            ("<|channel|>final to=f", State::Content),
            ("<|channel|>other", State::Content),
        ] {
            assert_eq!(header(raw), want, "{raw}");
        }
    }
}
