//! The machine for models that put thinking and calls into tags, which most do. What differs between families is a
//! [`Family`]: the tags, what becomes of the space around them, and the decoder of a call.

use super::held::{Held, JsonEnd, Tag};
use super::tools::Tools;
use super::{Calls, Machine, Out};

/// A family's grammar.
pub(super) struct Family {
    /// The tag that opens thinking where the machine does not start inside of it; empty: there is none.
    pub think_open: &'static str,
    /// What ends thinking: the closing tag, and the tag of a call where a call may come without it.
    pub think_ends: &'static [Tag],
    /// What ends content: first the tag of a call, then one that opens thinking.
    pub content_ends: &'static [Tag],
    pub call_end: CallEnd,
    pub after_call: AfterCall,
    pub cut: Cut,
    /// A name in front of the thinking that is no part of it.
    pub think_label: &'static str,
    /// Whether white space at the end of thinking or content goes out.
    pub keeps_last_space: bool,
    /// Whether a whole answer may be a call without tags.
    pub bare_calls: bool,
    pub decode: fn(&str, &Tools) -> Calls,
}

/// How a call ends.
#[derive(Clone, Copy)]
pub(super) enum CallEnd {
    Tag(&'static str),
    /// With the JSON value behind this tag.
    JsonBehind(&'static str),
}

/// What is skipped behind a call.
#[derive(Clone, Copy)]
pub(super) enum AfterCall {
    Nothing,
    /// White space, and these tags, which a model may write there.
    Space(&'static [&'static str]),
}

/// What becomes of a call when the answer ends inside of it.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    /// It is dropped: half a call must not act.
    Dropped,
    /// The end is something that the model may have stopped at, so the call is read as it is; if it cannot be, it is text.
    Read(fn(&str, &Tools) -> Calls),
    /// The same, but what cannot be read was cut off in the middle after all, and is dropped.
    ReadOrDropped(fn(&str, &Tools) -> Calls),
}

/// Where a machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Content,
    /// The prompt has opened the thinking.
    Thinking,
    /// As `Thinking`; a model that opens it again is forgiven.
    ThinkingAgain,
    /// The model may open it.
    MayThink,
    /// As `MayThink`; white space in front of an answer without thinking is dropped.
    MayThinkTrimmed,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before anything else than white space.
    Begin(Start),
    /// The white space, and the label, in front of thinking.
    ThinkSpace,
    ThinkLabel,
    Thinking,
    /// The white space behind thinking.
    ContentSpace,
    /// Content that may still turn out to be nothing but a call.
    Bare,
    Content,
    /// The white space and the noise behind a call.
    AfterCall,
    /// Inside a call: its text begins at `body`, after the opening tag, which is held too. With `json`, what ends the
    /// call is looked for.
    Call {
        body: usize,
        json: Option<JsonEnd>,
    },
}

pub(super) struct Tagged {
    family: &'static Family,
    state: State,
    held: Held,
    tools: Tools,
    /// Whether thinking is given out, or dropped.
    shows_thinking: bool,
    /// Whether nothing of the answer has gone out: only then it may be a bare call.
    untouched: bool,
}

impl Tagged {
    pub fn new(family: &'static Family, start: Start, shows_thinking: bool, tools: Tools) -> Self {
        let state = match start {
            Start::Content if family.bare_calls => State::Bare,
            Start::Content => State::Content,
            Start::Thinking => State::Thinking,
            start => State::Begin(start),
        };
        Self { family, state, held: Held::default(), tools, shows_thinking, untouched: true }
    }

    /// Goes as far as the text allows; true when the state has changed and there may be more to do.
    fn step(&mut self, out: &mut Out<'_>) -> bool {
        match self.state {
            State::Begin(start) => self.begin(start),
            State::ThinkSpace => self.held.skip_space() && self.enter(State::Thinking),
            State::ThinkLabel => self.think_label(),
            State::Thinking => self.think(out),
            State::ContentSpace => self.held.skip_space() && self.enter_content(),
            State::Bare => self.bare(),
            State::Content => self.content(out),
            State::AfterCall => self.after_call(),
            State::Call { body, json } => self.call(body, json, out),
        }
    }

    fn enter(&mut self, state: State) -> bool {
        self.state = state;
        self.held.search_from(0);
        true
    }

    fn enter_content(&mut self) -> bool {
        let bare = self.family.bare_calls && self.untouched && !self.tools.is_empty();
        self.enter(if bare { State::Bare } else { State::Content })
    }

    fn begin(&mut self, start: Start) -> bool {
        let solid = self.held.solid();
        let text = &self.held.text()[solid..];
        let open = self.family.think_open;
        if text.starts_with(open) {
            self.held.skip(solid + open.len());
            return self.enter(State::ThinkSpace);
        }
        if open.starts_with(text) {
            return false;
        }
        match start {
            Start::ThinkingAgain => self.enter(State::Thinking),
            Start::MayThinkTrimmed => {
                self.held.skip(solid);
                self.enter_content()
            }
            _ => self.enter_content(),
        }
    }

    fn think_label(&mut self) -> bool {
        let label = self.family.think_label;
        if self.held.text().starts_with(label) {
            self.held.skip(label.len());
        } else if label.starts_with(self.held.text()) {
            return false;
        }
        self.enter(State::Thinking)
    }

    fn think(&mut self, out: &mut Out<'_>) -> bool {
        let shows = self.shows_thinking;
        let end = self.held.stream(self.family.think_ends, |text| {
            if shows {
                out.thinking(text);
            }
        });
        match end {
            None => false,
            Some((0, bytes)) => {
                self.held.skip(bytes);
                self.enter(State::ContentSpace)
            }
            Some((tag, bytes)) => {
                // The space in front of the call was the thinking's.
                let tag = self.family.think_ends[tag].text.len();
                self.held.skip(bytes - tag);
                self.enter_call(tag)
            }
        }
    }

    fn content(&mut self, out: &mut Out<'_>) -> bool {
        let untouched = &mut self.untouched;
        let end = self.held.stream(self.family.content_ends, |text| {
            *untouched = false;
            out.content(text);
        });
        match end {
            None => false,
            Some((0, bytes)) => self.enter_call(bytes),
            Some((_, bytes)) => {
                self.held.skip(bytes);
                self.enter(if self.family.think_label.is_empty() { State::Thinking } else { State::ThinkLabel })
            }
        }
    }

    fn enter_call(&mut self, body: usize) -> bool {
        self.untouched = false;
        self.state = State::Call { body, json: None };
        self.held.search_from(body);
        true
    }

    fn call(&mut self, body: usize, json: Option<JsonEnd>, out: &mut Out<'_>) -> bool {
        let end = match (&self.family.call_end, json) {
            (CallEnd::Tag(tag), _) => self.held.find_one(tag).map(|at| (at, at + tag.len())),
            (CallEnd::JsonBehind(tag), None) => {
                if let Some(at) = self.held.find_one(tag) {
                    self.held.search_from(at + tag.len());
                    self.state = State::Call { body, json: Some(JsonEnd::default()) };
                    return true;
                }
                None
            }
            (CallEnd::JsonBehind(_), Some(mut json)) => {
                let from = self.held.searched();
                let end = json.read(&self.held.text()[from..]).map(|bytes| (from + bytes, from + bytes));
                self.held.search_from(self.held.text().len());
                self.state = State::Call { body, json: Some(json) };
                end
            }
        };
        let Some((body_end, end)) = end.filter(|(_, end)| *end <= self.held.longest()) else {
            return self.too_long(out);
        };
        let text = self.held.text();
        let read = out.calls((self.family.decode)(&text[body..body_end], &self.tools), &text[..end]);
        self.held.skip(end);
        self.enter(match self.family.after_call {
            AfterCall::Space(_) if read => State::AfterCall,
            _ => State::Content,
        })
    }

    /// What is too long for a call is content.
    fn too_long(&mut self, out: &mut Out<'_>) -> bool {
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.held.skip(cut);
        self.enter(State::Content)
    }

    fn after_call(&mut self) -> bool {
        let AfterCall::Space(noise) = self.family.after_call else { return self.enter(State::Content) };
        loop {
            if !self.held.skip_space() {
                return false;
            }
            let text = self.held.text();
            if let Some(tag) = noise.iter().find(|tag| text.starts_with(**tag)) {
                self.held.skip(tag.len());
            } else if noise.iter().any(|tag| tag.starts_with(text)) {
                return false;
            } else {
                return self.enter(State::Content);
            }
        }
    }

    /// Waits while the text may be nothing but calls: `f(` or `[f(`, with the name of a tool.
    fn bare(&mut self) -> bool {
        let solid = self.held.solid();
        let text = self.held.text()[solid..].trim_start_matches(['[', ' ', '\n']);
        let fits = |name: &str| match text.strip_prefix(name) {
            Some(rest) => rest.is_empty() || rest.starts_with('('),
            None => name.starts_with(text),
        };
        let called = !self.tools.is_empty() && self.tools.names().any(fits);
        // A tag in it means that the calls are where they should be.
        let tagged = self.family.content_ends.first().is_some_and(|tag| self.held.find_one(tag.text).is_some());
        if called && !tagged && self.held.overflow().is_none() { false } else { self.enter(State::Content) }
    }

    /// The answer has ended inside of what may be bare calls.
    fn finish_bare(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        let calls = (self.family.decode)(text, &self.tools);
        match calls {
            Ok(calls) if !calls.is_empty() && calls.iter().all(|call| self.tools.get(&call.name).is_some()) => {
                out.calls(Ok(calls), text);
            }
            _ => self.finish_text(true, out),
        }
    }

    /// Gives out text that waited for the rest of a tag that never came.
    fn finish_text(&mut self, is_content: bool, out: &mut Out<'_>) {
        let text = self.held.text();
        if text.trim().is_empty() && !self.family.keeps_last_space {
            return;
        }
        if is_content {
            out.content(text);
        } else if self.shows_thinking {
            out.thinking(text.trim_end());
        }
    }
}

impl Machine for Tagged {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        match self.state {
            State::Begin(Start::ThinkingAgain) | State::Thinking | State::ThinkLabel => self.finish_text(false, out),
            State::Begin(_) | State::Content => self.finish_text(true, out),
            State::Bare => self.finish_bare(out),
            State::Call { body, .. } => {
                let text = self.held.text();
                let read = |decode: fn(&str, &Tools) -> Calls| decode(&text[body..], &self.tools);
                match self.family.cut {
                    Cut::Dropped => {}
                    Cut::Read(decode) => _ = out.calls(read(decode), text),
                    Cut::ReadOrDropped(decode) => _ = read(decode).map(|calls| out.calls(Ok(calls), text)),
                }
            }
            State::ThinkSpace | State::ContentSpace | State::AfterCall => {}
        }
        self.held.clear();
    }
}
