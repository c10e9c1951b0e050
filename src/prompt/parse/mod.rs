//! From the text that a model writes to what a client gets: content, thinking and calls of tools (the behaviour page,
//! sections 2.3, 2.5, 7.4 and 7.7).
//!
//! A parser is a state machine that is fed text in pieces of any size on the inference thread, a few microseconds each:
//! every byte is looked at once, nothing is parsed again. Any split of the text gives the same answer, so where Ollama's
//! depends on the split, one of its answers is taken. Nothing that a model writes is an error: a call that cannot be
//! read goes out as the text that it is. Families that share a grammar share a machine:
//!
//! - [`tagged`]: thinking in tags, calls in tags; a table row for each family, a decoder for each notation of calls.
//! - [`deepseek`]: blocks of calls and of their results; [`cohere`]: blocks for everything; [`laguna`]: tags, with calls
//!   outside of them too; [`harmony`] and [`glimmer`]: messages with headers that say whom they are for.
//! - [`generic`]: models without a parser of their own.

mod arg_call;
mod by_name;
mod cohere;
mod deepseek;
mod families;
mod gemma_call;
mod generic;
mod glimmer;
mod harmony;
mod held;
mod json_call;
mod laguna;
mod python_call;
mod tagged;
mod tools;
mod value;
mod xml_call;

pub use by_name::{Known, by_name, by_template, known};
pub use generic::{Generic, generic};
pub use harmony::tool_names as harmony_tool_names;
pub use tools::Tools;

use serde_json::{Map, Value};

use crate::config::limits;

/// A tool call as the model meant it. The identifier that a client sees is made by the caller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// The identifier that the model gave it; few do.
    pub id: Option<String>,
    /// Which call of the answer it is, from 0.
    pub index: usize,
    /// The tool, by the name that the request gave it.
    pub name: String,
    /// Arguments in the order in which the model wrote them.
    pub arguments: Map<String, Value>,
}

/// Where the parts of an answer go, in the order in which the model wrote them. Texts are never empty.
pub trait Sink {
    /// Text of the answer.
    fn content(&mut self, text: &str);
    /// Text of the thinking.
    fn thinking(&mut self, text: &str);
    /// A call, as soon as it is complete.
    fn call(&mut self, call: Call);
    /// A call that cannot be read, as the model wrote it, or one too many. It is text of the answer unless a sink wants
    /// to tell the difference.
    fn unreadable(&mut self, text: &str) {
        self.content(text);
    }
}

/// A call that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreadable;

type Calls = Result<Vec<Call>, Unreadable>;

/// What the machines write to: the sink, and the count of calls.
struct Out<'a> {
    sink: &'a mut dyn Sink,
    calls: &'a mut usize,
}

impl Out<'_> {
    fn content(&mut self, text: &str) {
        if !text.is_empty() {
            self.sink.content(text);
        }
    }

    fn thinking(&mut self, text: &str) {
        if !text.is_empty() {
            self.sink.thinking(text);
        }
    }

    /// Gives out the calls that `raw` holds, or `raw` itself. True when it could be read.
    fn calls(&mut self, calls: Calls, raw: &str) -> bool {
        match calls {
            Ok(calls) if *self.calls + calls.len() <= limits::CALLS_MAX => {
                for call in calls {
                    let index = *self.calls;
                    *self.calls += 1;
                    self.sink.call(Call { index, ..call });
                }
                true
            }
            _ => {
                self.unreadable(raw);
                false
            }
        }
    }

    fn unreadable(&mut self, raw: &str) {
        if !raw.is_empty() {
            self.sink.unreadable(raw);
        }
    }
}

/// What every machine can do.
trait Machine: Send {
    fn push(&mut self, text: &str, out: &mut Out<'_>);
    fn finish(&mut self, out: &mut Out<'_>);
}

/// The parser of one answer.
pub struct Parser {
    machine: Box<dyn Machine>,
    calls: usize,
}

impl Parser {
    fn new(machine: impl Machine + 'static) -> Self {
        Self { machine: Box::new(machine), calls: 0 }
    }

    /// Reads the next piece of text. What may still become something else is held back, up to
    /// [`limits::HELD_BYTES`]; past that it is text of the answer.
    pub fn push(&mut self, text: &str, sink: &mut dyn Sink) {
        if !text.is_empty() {
            self.machine.push(text, &mut Out { sink, calls: &mut self.calls });
        }
    }

    /// The answer has ended: gives out what was held back. A call that was cut off in the middle is dropped, but for
    /// the families that leave the end away.
    pub fn finish(&mut self, sink: &mut dyn Sink) {
        self.machine.finish(&mut Out { sink, calls: &mut self.calls });
    }

    /// The calls given out so far.
    pub fn calls(&self) -> usize {
        self.calls
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
