//! The JSON of generate's and chat's events, field by field (the behaviour page, sections 1.10, 1.11 and 1.23).
//!
//! An event is `open`, its text, what else its message has, `close`, what its kind adds, `}`. Numbers that are zero are left out, as Go does.

use super::frames::{Final, Logprob, TokenLogprob};
use super::json::{Sink, put_escaped, put_f64, put_i32, put_u64};
use super::stamp::Stamp;
use crate::engine::wire::Dialect;

/// What is the same in all events of a reply.
#[derive(Debug)]
pub(super) struct Events {
    dialect: Dialect,
    /// `{"model":"m","created_at":"`
    prefix: Box<[u8]>,
}

/// A piece of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// Text of the answer.
    Content(&'a str),
    /// Text of the thinking.
    Thinking(&'a str),
    /// A call of a tool, as JSON.
    Call(&'a [u8]),
}

/// What the last event has to say besides the end, because no earlier one did: texts escaped, lists as their items with
/// commas between.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub text: Vec<u8>,
    pub thinking: Vec<u8>,
    pub calls: Vec<u8>,
    pub logprobs: Vec<u8>,
}

impl Rest {
    /// Adds a piece.
    pub fn add(&mut self, part: Part<'_>, logprobs: &[Logprob]) {
        match part {
            Part::Content(text) => put_escaped(&mut self.text, text),
            Part::Thinking(text) => put_escaped(&mut self.thinking, text),
            Part::Call(call) => {
                if !self.calls.is_empty() {
                    self.calls.put(b",");
                }
                self.calls.put(call);
            }
        }
        let is_first = self.logprobs.is_empty();
        put_logprobs(&mut self.logprobs, logprobs, is_first);
    }

    /// Bytes of all of it.
    pub fn len(&self) -> usize {
        self.text.len() + self.thinking.len() + self.calls.len() + self.logprobs.len()
    }
}

impl Events {
    pub(super) fn new(dialect: Dialect, model: &str) -> Self {
        let mut prefix = b"{\"model\":\"".to_vec();
        put_escaped(&mut prefix, model);
        prefix.put(b"\",\"created_at\":\"");
        Self { dialect, prefix: prefix.into_boxed_slice() }
    }

    /// Whether calls of tools have events of their own; otherwise the last event has them all.
    pub(super) fn streams_calls(&self) -> bool {
        self.dialect == Dialect::Chat
    }

    /// Up to the text.
    fn open(&self, sink: &mut impl Sink, stamp: &Stamp) {
        sink.put(&self.prefix);
        sink.put(stamp.bytes());
        sink.put(match self.dialect {
            Dialect::Generate => b"\",\"response\":\"",
            Dialect::Chat => b"\",\"message\":{\"role\":\"assistant\",\"content\":\"",
        });
    }

    /// From behind the text, and what else the message has, up to the value of `done`.
    fn close(&self, sink: &mut impl Sink, done: bool) {
        sink.put(match self.dialect {
            Dialect::Generate => b",\"done\":",
            Dialect::Chat => b"},\"done\":",
        });
        sink.put(if done { b"true" } else { b"false" });
    }

    /// A piece of the answer.
    #[inline]
    pub(super) fn part(&self, sink: &mut impl Sink, stamp: &Stamp, part: Part<'_>, logprobs: &[Logprob]) {
        self.open(sink, stamp);
        match part {
            Part::Content(text) => {
                put_escaped(sink, text);
                sink.put(b"\"");
            }
            Part::Thinking(text) => {
                sink.put(b"\"");
                put_text_field(sink, "thinking", text);
            }
            Part::Call(call) => {
                sink.put(b"\"");
                put_list_field(sink, "tool_calls", call);
            }
        }
        self.close(sink, false);
        if !logprobs.is_empty() {
            sink.put(b",\"logprobs\":[");
            put_logprobs(sink, logprobs, true);
            sink.put(b"]");
        }
        sink.put(b"}");
    }

    /// The end of an answer, with what was not in earlier events.
    pub(super) fn last(&self, sink: &mut impl Sink, stamp: &Stamp, rest: &Rest, end: &Final<'_>) {
        self.open(sink, stamp);
        sink.put(&rest.text);
        sink.put(b"\"");
        if !rest.thinking.is_empty() {
            sink.put(b",\"thinking\":\"");
            sink.put(&rest.thinking);
            sink.put(b"\"");
        }
        if self.dialect == Dialect::Chat {
            put_list_field(sink, "tool_calls", &rest.calls);
        }
        self.close(sink, true);
        put_text_field(sink, "done_reason", end.done_reason);
        match self.dialect {
            Dialect::Generate => {
                if let Some(context) = end.context {
                    put_context(sink, context);
                }
                put_metrics(sink, end);
                put_list_field(sink, "tool_calls", &rest.calls);
                put_list_field(sink, "logprobs", &rest.logprobs);
            }
            Dialect::Chat => {
                put_list_field(sink, "logprobs", &rest.logprobs);
                put_metrics(sink, end);
            }
        }
        if end.prompt_truncated {
            sink.put(b",\"prompt_truncated\":true");
        }
        sink.put(b"}");
    }

    /// Answer to a request that only loads or unloads.
    pub(super) fn single(&self, sink: &mut impl Sink, stamp: &Stamp, reason: &str) {
        self.open(sink, stamp);
        sink.put(b"\"");
        self.close(sink, true);
        put_text_field(sink, "done_reason", reason);
        sink.put(b"}");
    }

    /// Answer to `_debug_render_only`: chat's message has no role then.
    pub(super) fn debug(&self, sink: &mut impl Sink, stamp: &Stamp, prompt: &str) {
        sink.put(&self.prefix);
        sink.put(stamp.bytes());
        sink.put(match self.dialect {
            Dialect::Generate => b"\",\"response\":\"\"",
            Dialect::Chat => b"\",\"message\":{\"role\":\"\",\"content\":\"\"}",
        });
        sink.put(b",\"done\":false,\"_debug_info\":{");
        sink.put(b"\"rendered_template\":\"");
        put_escaped(sink, prompt);
        sink.put(b"\"}}");
    }
}

/// An error, in the envelope of section 0.5.
pub(super) fn put_error(sink: &mut impl Sink, message: &str) {
    sink.put(b"{\"error\":\"");
    put_escaped(sink, message);
    sink.put(b"\"}");
}

/// Items of a `logprobs` array (section 2.7), with a comma in front unless they are the first.
pub(super) fn put_logprobs(sink: &mut impl Sink, logprobs: &[Logprob], mut first: bool) {
    for item in logprobs {
        if !std::mem::take(&mut first) {
            sink.put(b",");
        }
        put_choice(sink, &item.chosen);
        for (index, choice) in item.top.iter().enumerate() {
            sink.put(if index == 0 { b",\"top_logprobs\":[" } else { b"," });
            put_choice(sink, choice);
            sink.put(b"}");
        }
        sink.put(if item.top.is_empty() { b"}" } else { b"]}" });
    }
}

/// A token with its probability, without the closing brace. As in llama-server the beginning of a character at its end
/// is left out; other bytes that are not text show as U+FFFD in `token`, and as they are in `bytes`.
fn put_choice(sink: &mut impl Sink, choice: &TokenLogprob) {
    let token = without_half_character(&choice.token);
    sink.put(b"{\"token\":\"");
    for part in token.utf8_chunks() {
        put_escaped(sink, part.valid());
        if !part.invalid().is_empty() {
            sink.put(b"\\ufffd");
        }
    }
    sink.put(b"\",\"logprob\":");
    put_f64(sink, f64::from(choice.logprob));
    for (index, &byte) in token.iter().enumerate() {
        sink.put(if index == 0 { b",\"bytes\":[" } else { b"," });
        put_u64(sink, byte as u64);
    }
    if !token.is_empty() {
        sink.put(b"]");
    }
}

fn without_half_character(token: &[u8]) -> &[u8] {
    match token.utf8_chunks().last() {
        Some(last) => {
            let invalid = last.invalid();
            let is_half = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            &token[..token.len() - if is_half { invalid.len() } else { 0 }]
        }
        None => token,
    }
}

/// A list whose items are written already; left out when there are none.
fn put_list_field(sink: &mut impl Sink, name: &str, items: &[u8]) {
    if !items.is_empty() {
        sink.put(b",\"");
        sink.put(name.as_bytes());
        sink.put(b"\":[");
        sink.put(items);
        sink.put(b"]");
    }
}

fn put_context(sink: &mut impl Sink, context: &[i32]) {
    for (index, &token) in context.iter().enumerate() {
        sink.put(if index == 0 { b",\"context\":[" } else { b"," });
        put_i32(sink, token);
    }
    if !context.is_empty() {
        sink.put(b"]");
    }
}

fn put_metrics(sink: &mut impl Sink, end: &Final<'_>) {
    put_number_field(sink, "total_duration", end.total_ns);
    put_number_field(sink, "load_duration", end.load_ns);
    put_number_field(sink, "prompt_eval_count", end.prompt_eval_count as u64);
    put_number_field(sink, "prompt_eval_duration", end.prompt_eval_ns);
    put_number_field(sink, "eval_count", end.eval_count as u64);
    put_number_field(sink, "eval_duration", end.eval_ns);
}

/// Left out when 0.
fn put_number_field(sink: &mut impl Sink, name: &str, number: u64) {
    if number != 0 {
        sink.put(b",\"");
        sink.put(name.as_bytes());
        sink.put(b"\":");
        put_u64(sink, number);
    }
}

/// Left out when empty.
fn put_text_field(sink: &mut impl Sink, name: &str, text: &str) {
    if !text.is_empty() {
        sink.put(b",\"");
        sink.put(name.as_bytes());
        sink.put(b"\":\"");
        put_escaped(sink, text);
        sink.put(b"\"");
    }
}
