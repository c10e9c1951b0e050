//! Glimmer: messages whose headers name a recipient; calls are functions and parameters in tags of their own.

use serde_json::Map;

use super::held::{Found, Held};
use super::tools::{Tool, Tools};
use super::value::typed;
use super::{Call, Machine, Out, Unreadable};

const START: &str = "<|start|>";
const HEADER: &str = "<|start|>assistant";
const HEADER_END: &str = "<|message|>";
/// What ends a message: one of the tags, or the header of the next.
const ENDS: &[&str] = &["<|eom|>", "<|eot|>", START];
const CALLS: &str = "<atem:function_calls>";
const CALLS_END: &str = "</atem:function_calls>";
const INVOKE: &str = "<atem:invoke name=\"";
const INVOKE_END: &str = "</atem:invoke>";
const PARAMETER: &str = "<atem:parameter name=\"";
const PARAMETER_END: &str = "</atem:parameter>";

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Header,
    /// At the beginning of content, which may be a call that was sent to nobody.
    MaybeCall,
    Content,
    Thinking,
    /// In a call, sent to this tool or to nobody. `closed`: the end of its tags, and what follows may end the message.
    Call {
        recipient: Option<String>,
        closed: bool,
    },
}

/// Whether text that begins like the header of a message is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Yes,
    No,
    Perhaps,
}

pub(super) struct Glimmer {
    state: State,
    held: Held,
    tools: Tools,
    shows_thinking: bool,
}

impl Glimmer {
    pub fn new(shows_thinking: bool, tools: Tools) -> Self {
        Self { state: State::Header, held: Held::default(), tools, shows_thinking }
    }

    fn pass(&mut self, bytes: usize, next: State) -> bool {
        self.held.skip(bytes);
        self.held.search_from(0);
        self.state = next;
        true
    }

    fn step(&mut self, out: &mut Out<'_>) -> bool {
        match &self.state {
            State::Header => self.header(out),
            State::MaybeCall => self.maybe_call(),
            State::Content | State::Thinking => self.body(out),
            State::Call { closed: false, .. } => self.call(out),
            State::Call { .. } => self.call_end(out),
        }
    }

    fn header(&mut self, out: &mut Out<'_>) -> bool {
        let text = self.held.text();
        if text.len() < HEADER.len() && HEADER.starts_with(text) {
            return false;
        }
        let name = if text.starts_with(HEADER) { HEADER.len() } else { 0 };
        let end = self.held.find_one(HEADER_END).filter(|at| at + HEADER_END.len() <= self.held.longest());
        let text = self.held.text();
        if let Some(at) = end {
            let recipient = text[name..at].trim();
            let recipient = recipient.strip_prefix("to=").unwrap_or(recipient).trim();
            let next = match resolved(recipient, &self.tools) {
                _ if recipient == "self" => State::Thinking,
                Some(tool) => State::Call { recipient: Some(tool.name.clone()), closed: false },
                None if self.tools.is_empty() => State::Content,
                None => State::MaybeCall,
            };
            return self.pass(at + HEADER_END.len(), next);
        }
        let Some(cut) = self.held.overflow() else { return false };
        out.content(&text[name..cut]);
        self.pass(cut, State::Content)
    }

    fn maybe_call(&mut self) -> bool {
        let solid = self.held.solid();
        let text = &self.held.text()[solid..];
        if text.starts_with(CALLS) {
            return self.pass(0, State::Call { recipient: None, closed: false });
        }
        !CALLS.starts_with(text) && self.pass(0, State::Content)
    }

    /// Streams a message to its end.
    fn body(&mut self, out: &mut Out<'_>) -> bool {
        let (end, next) = match self.held.find(ENDS) {
            Found::Whole { at, tag: 2 } => match self.begins(at) {
                Begins::Yes => (at, Some((at, State::Header))),
                Begins::No => (at + START.len(), None),
                Begins::Perhaps => (at, Some((at, self.state.clone()))),
            },
            Found::Whole { at, tag } => (at, Some((at + ENDS[tag].len(), State::Header))),
            Found::Partial(at) => (at, Some((at, self.state.clone()))),
            Found::Nothing => (self.held.text().len(), Some((self.held.text().len(), self.state.clone()))),
        };
        self.text(end, out);
        match next {
            None => self.pass(end, self.state.clone()),
            Some((gone, next)) if next == self.state => {
                self.held.skip(gone);
                false
            }
            Some((gone, next)) => self.pass(gone, next),
        }
    }

    /// Gives out the text up to `end` for what the message is.
    fn text(&self, end: usize, out: &mut Out<'_>) {
        let text = &self.held.text()[..end];
        match self.state {
            State::Thinking if self.shows_thinking => out.thinking(text),
            State::Thinking => {}
            _ => out.content(text),
        }
    }

    /// Whether a header begins at `at`, where there is a start tag.
    fn begins(&self, at: usize) -> Begins {
        let text = &self.held.text()[at..];
        let Some(rest) = text.strip_prefix(HEADER) else {
            return if HEADER.starts_with(text) { Begins::Perhaps } else { Begins::No };
        };
        if rest.starts_with(HEADER_END) {
            return Begins::Yes;
        }
        let Some(recipient) = rest.strip_prefix(" to=") else {
            let perhaps = HEADER_END.starts_with(rest) || " to=".starts_with(rest);
            return if perhaps { Begins::Perhaps } else { Begins::No };
        };
        let end = recipient.find(['<', ' ', '\t', '\r', '\n']).unwrap_or(recipient.len());
        let (recipient, tag) = recipient.split_at(end);
        if tag.starts_with(HEADER_END) {
            let known = ["self", "user"].contains(&recipient) || self.tools.get(recipient).is_some();
            return if known { Begins::Yes } else { Begins::No };
        }
        // No tool has a name as long as that.
        if HEADER_END.starts_with(tag) && recipient.len() < HEADER.len() * 64 { Begins::Perhaps } else { Begins::No }
    }

    /// Waits for the end of the tags of a call.
    fn call(&mut self, out: &mut Out<'_>) -> bool {
        if let Some(at) = self.held.find_one(CALLS_END)
            && at + CALLS_END.len() <= self.held.longest()
        {
            self.held.search_from(at + CALLS_END.len());
            if let State::Call { closed, .. } = &mut self.state {
                *closed = true;
            }
            return true;
        }
        self.too_long(out)
    }

    /// Waits for the end of the message that a call is.
    fn call_end(&mut self, out: &mut Out<'_>) -> bool {
        let longest = self.held.longest();
        match self.held.find(ENDS) {
            Found::Whole { at, tag } if at + ENDS[tag].len() <= longest => {
                let gone = match (tag, self.begins(at)) {
                    (2, Begins::Yes) => at,
                    (2, Begins::Perhaps) => return self.too_long(out),
                    (2, Begins::No) => {
                        self.held.search_from(at + START.len());
                        return true;
                    }
                    _ => at + ENDS[tag].len(),
                };
                self.finish_call(at, out);
                self.pass(gone, State::Header)
            }
            _ => self.too_long(out),
        }
    }

    fn too_long(&mut self, out: &mut Out<'_>) -> bool {
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.pass(cut, State::Content)
    }

    /// Gives out the call whose message ends at `end`.
    fn finish_call(&self, end: usize, out: &mut Out<'_>) {
        let raw = &self.held.text()[..end];
        let State::Call { recipient, .. } = &self.state else { return };
        match (call(raw, &self.tools), recipient) {
            (Ok(call), Some(recipient)) if call.name != *recipient => out.unreadable(raw),
            (Ok(call), _) => {
                out.calls(Ok(vec![call]), raw);
            }
            (Err(Unreadable), Some(_)) => out.unreadable(raw),
            (Err(Unreadable), None) => out.content(raw),
        }
    }
}

/// The tool that a name means: its own, or `space.tool` where the space is the tool's own (what stands before its dot).
fn resolved<'a>(name: &str, tools: &'a Tools) -> Option<&'a Tool> {
    tools.get(name).filter(|tool| !tool.name.is_empty()).or_else(|| {
        let (space, tool) = name.split_once('.')?;
        tools.get(tool).filter(|tool| tool.name.split('.').next() == Some(space) && !space.is_empty())
    })
}

/// Reads a message that is nothing but a call.
fn call(raw: &str, tools: &Tools) -> Result<Call, Unreadable> {
    let inside = raw.trim().strip_prefix(CALLS).and_then(|raw| raw.strip_suffix(CALLS_END)).ok_or(Unreadable)?;
    let invoke = inside.trim().strip_prefix(INVOKE).and_then(|raw| raw.strip_suffix(INVOKE_END)).ok_or(Unreadable)?;
    let (name, parameters) = invoked(invoke).ok_or(Unreadable)?;
    let tool = resolved(&name, tools).ok_or(Unreadable)?;
    let mut rest = parameters.strip_prefix('\n').unwrap_or(parameters);
    rest = rest.strip_suffix('\n').unwrap_or(rest);
    let mut arguments = Map::new();
    while !rest.is_empty() {
        let parameter = rest.strip_prefix(PARAMETER).and_then(|rest| rest.split_once("\">"));
        let (name, after) = parameter.ok_or(Unreadable)?;
        let (value, after) = after.split_once(PARAMETER_END).ok_or(Unreadable)?;
        arguments.insert(name.to_owned(), typed(value, tool.types(name)));
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    Ok(Call { name: tool.name.clone(), arguments, ..Call::default() })
}

/// The name of a call and what stands behind it. Models repeat the tag that ends a header in it, in its middle or
/// instead of its end.
fn invoked(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find("\">");
        match rest.find(HEADER_END).filter(|tag| end.is_none_or(|end| *tag < end)) {
            None => {
                let end = end?;
                name.push_str(&rest[..end]);
                return Some((name, &rest[end + 2..]));
            }
            Some(tag) => {
                name.push_str(&rest[..tag]);
                rest = &rest[tag + HEADER_END.len()..];
                if rest.starts_with(PARAMETER) {
                    return Some((name, rest));
                }
            }
        }
    }
}

impl Machine for Glimmer {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        match self.state {
            State::Header => out.content(text.strip_prefix(HEADER).unwrap_or(text)),
            State::Call { .. } => self.finish_call(text.len(), out),
            _ => self.text(text.len(), out),
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Answer, parse};
    use super::{Glimmer, Tools};

    fn answer(text: &str) -> Answer {
        let parameters = json!({"properties": {"n": {"type": "integer"}}});
        let tools = vec![json!({"function": {"name": "f", "parameters": parameters}})];
        parse(|| super::super::Parser::new(Glimmer::new(true, Tools::new(&tools))), text)
    }

    fn calls(answer: &Answer) -> Value {
        answer.calls.iter().map(|call| json!([call.name, call.arguments])).collect()
    }

    const ATEM: &str = "<atem:function_calls>\n<atem:invoke name=\"f\">\n<atem:parameter name=\"n\">7</atem:parameter>\n</atem:invoke>\n</atem:function_calls>";

    #[test]
    fn messages_go_where_their_headers_say() {
        let got = answer(&format!(" to=self<|message|>hm<|eom|><|start|>assistant to=f<|message|>{ATEM}<|eot|>"));
        assert_eq!((got.thinking.as_str(), got.content.as_str(), calls(&got)), ("hm", "", json!([["f", {"n": 7}]])));
        let got = answer("<|message|>a <|start|>b<|start|>assistant to=self<|message|>c");
        assert_eq!((got.content.as_str(), got.thinking.as_str()), ("a <|start|>b", "c"));
        let got = answer("<|message|>a<|start|>assistant to=nobody<|message|>c");
        assert_eq!(got.content, "a<|start|>assistant to=nobody<|message|>c");
    }

    #[test]
    fn a_call_is_found_without_its_recipient() {
        for header in ["", " to=user", " to=f.f"] {
            assert_eq!(calls(&answer(&format!("{header}<|message|> {ATEM}"))), json!([["f", {"n": 7}]]), "{header}");
        }
        let got = answer(&format!("<|message|>{ATEM} and more<|eom|>"));
        assert_eq!((got.content, got.unreadable.len()), (format!("{ATEM} and more"), 0));
    }

    #[test]
    fn a_broken_call_is_text() {
        for body in [
            ATEM.replace("</atem:parameter>", ""),
            ATEM.replace("\"f\"", "\"g\""),
            "{}".to_owned(),
            ATEM.replace("</atem:function_calls>", ""),
        ] {
            let got = answer(&format!(" to=f<|message|>{body}<|eom|>"));
            assert!(got.calls.is_empty() && got.content.starts_with(&body) && got.unreadable.len() == 1, "{body}");
        }
        let mended = ATEM.replace("\"f\">\n", "\"f<|message|>");
        assert_eq!(calls(&answer(&format!(" to=f<|message|>{mended}<|eom|>"))), json!([["f", {"n": 7}]]));
    }
}
