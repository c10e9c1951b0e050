//! `DeepSeek` 3 and Cogito: calls in a block of blocks, and results of tools that a model makes up.

use super::held::{Found, Held, Tag, plain, trimming};
use super::{Calls, Machine, Out, Unreadable, json_call};

const CALLS: &str = "<｜tool▁calls▁begin｜>";
const CALLS_END: &str = "<｜tool▁calls▁end｜>";
const CALL: &str = "<｜tool▁call▁begin｜>";
const CALL_END: &str = "<｜tool▁call▁end｜>";
const SEPARATOR: &str = "<｜tool▁sep｜>";
const OUTPUT: &str = "<｜tool▁output▁begin｜>";
const OUTPUT_END: &str = "<｜tool▁output▁end｜>";
const OUTPUTS: &str = "<｜tool▁outputs▁begin｜>";
const OUTPUTS_END: &str = "<｜tool▁outputs▁end｜>";

static THINK_ENDS: &[Tag] = &[trimming("</think>")];
static DEEPSEEK_CONTENT_ENDS: &[Tag] = &[trimming(CALLS), plain(OUTPUT)];
static DEEPSEEK_OUTPUT_ENDS: &[Tag] = &[plain(OUTPUT_END)];
static COGITO_CONTENT_ENDS: &[Tag] = &[trimming(CALLS), trimming(OUTPUTS)];
static COGITO_OUTPUT_ENDS: &[Tag] = &[plain(OUTPUTS_END)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Thinking,
    /// The white space behind thinking or behind a block.
    Space,
    Content,
    /// In the block of calls, between them. What stands there is dropped, but held until it is clear that the next call
    /// can be read, with the opening tag and the space in front of it.
    Block,
    /// In a call, which begins at `body`.
    Call {
        body: usize,
    },
    /// In the result of a tool.
    Output,
}

pub(super) struct DeepSeek {
    state: State,
    held: Held,
    content_ends: &'static [Tag],
    output_ends: &'static [Tag],
    /// Whether the text of results goes out.
    shows_output: bool,
    decode: fn(&str) -> Calls,
}

impl DeepSeek {
    pub fn third(thinks: bool) -> Self {
        Self {
            content_ends: DEEPSEEK_CONTENT_ENDS,
            output_ends: DEEPSEEK_OUTPUT_ENDS,
            ..Self::new(thinks, true, deepseek_call)
        }
    }

    pub fn cogito(thinks: bool) -> Self {
        Self {
            content_ends: COGITO_CONTENT_ENDS,
            output_ends: COGITO_OUTPUT_ENDS,
            ..Self::new(thinks, false, cogito_call)
        }
    }

    fn new(thinks: bool, shows_output: bool, decode: fn(&str) -> Calls) -> Self {
        let state = if thinks { State::Thinking } else { State::Content };
        Self { state, held: Held::default(), content_ends: &[], output_ends: &[], shows_output, decode }
    }

    fn enter(&mut self, state: State) -> bool {
        self.state = state;
        self.held.search_from(0);
        true
    }

    fn step(&mut self, out: &mut Out<'_>) -> bool {
        match self.state {
            State::Thinking => match self.held.stream(THINK_ENDS, |text| out.thinking(text)) {
                Some((_, bytes)) => self.pass(bytes, State::Space),
                None => false,
            },
            State::Space => self.held.skip_space() && self.enter(State::Content),
            State::Content => match self.held.stream(self.content_ends, |text| out.content(text)) {
                Some((0, bytes)) => self.enter_at(bytes, State::Block),
                Some((_, bytes)) => self.pass(bytes, State::Output),
                None => false,
            },
            State::Output => {
                let shows = self.shows_output;
                let show = |text: &str| {
                    if shows {
                        out.content(text);
                    }
                };
                match self.held.stream(self.output_ends, show) {
                    Some((_, bytes)) => self.pass(bytes, if shows { State::Content } else { State::Space }),
                    None => false,
                }
            }
            State::Block => self.block(out),
            State::Call { body } => self.call(body, out),
        }
    }

    fn block(&mut self, out: &mut Out<'_>) -> bool {
        let longest = self.held.longest();
        match self.held.find(&[CALL, CALLS_END]) {
            Found::Whole { at, tag: 0 } if at + CALL.len() <= longest => {
                let body = at + CALL.len();
                self.enter_at(body, State::Call { body })
            }
            Found::Whole { at, tag: 1 } if at + CALLS_END.len() <= longest => {
                self.pass(at + CALLS_END.len(), State::Space)
            }
            _ => self.too_long(out),
        }
    }

    /// Enters a state whose text begins at `from`.
    fn enter_at(&mut self, from: usize, state: State) -> bool {
        self.state = state;
        self.held.search_from(from);
        true
    }

    fn pass(&mut self, bytes: usize, next: State) -> bool {
        self.held.skip(bytes);
        self.enter(next)
    }

    fn call(&mut self, body: usize, out: &mut Out<'_>) -> bool {
        let end = self.held.find_one(CALL_END).filter(|at| at + CALL_END.len() <= self.held.longest());
        let Some(at) = end else { return self.too_long(out) };
        let text = self.held.text();
        let end = at + CALL_END.len();
        let read = out.calls((self.decode)(&text[body..at]), &text[..end]);
        // What follows a call that is text is text too, the end of the block with it.
        self.pass(end, if read { State::Block } else { State::Content })
    }

    fn too_long(&mut self, out: &mut Out<'_>) -> bool {
        let Some(cut) = self.held.overflow() else { return false };
        out.unreadable(&self.held.text()[..cut]);
        self.pass(cut, State::Content)
    }
}

/// `NAME<sep>{…}`.
fn deepseek_call(raw: &str) -> Calls {
    let (name, arguments) = raw.split_once(SEPARATOR).ok_or(Unreadable)?;
    Ok(vec![json_call::with_arguments(name, arguments)?])
}

/// `function<sep>NAME` and a fence with the JSON of the arguments.
fn cogito_call(raw: &str) -> Calls {
    let (_, call) = raw.split_once(SEPARATOR).ok_or(Unreadable)?;
    let (name, fenced) = call.split_once("\n```json\n").ok_or(Unreadable)?;
    let (arguments, _) = fenced.split_once("\n```").ok_or(Unreadable)?;
    Ok(vec![json_call::with_arguments(name, arguments)?])
}

impl Machine for DeepSeek {
    fn push(&mut self, text: &str, out: &mut Out<'_>) {
        self.held.push(text);
        while self.step(out) {}
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let text = self.held.text();
        match self.state {
            State::Thinking if !text.trim().is_empty() => out.thinking(text),
            State::Content => out.content(text),
            State::Output if self.shows_output => out.content(text),
            _ => {}
        }
        self.held.clear();
    }
}
