//! The engine's writer of one reply: JSON events, framed for HTTP, straight into slots.
//!
//! A token's event is written once, in place. Only what does not fit into one slot, or finds no slot free, goes through
//! the writer's own buffer: [`ReplyWriter::pump`] moves it on as slots come back. Of a [`Framing::Whole`] reply the
//! text collects here, because its length goes out first.

use super::back::Outbox;
use super::events::{Events, Part, Rest, put_error};
use super::json::{Fixed, Sink};
use super::slot::{PAYLOAD_BYTES, SlotHead};
use crate::config::limits::WHOLE_REPLY_BYTES;
use crate::engine::wire::{Framing, ReplyFormat, StreamKey};

/// A token and its log probability.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// Bytes of the token; they need not be whole characters.
    pub token: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
}

/// What a token event reports beside its text (the behaviour page, section 2.7).
#[derive(Debug, Clone, PartialEq)]
pub struct Logprob {
    /// The token that was chosen.
    pub chosen: TokenLogprob,
    /// The most probable ones, as many as were asked for.
    pub top: Vec<TokenLogprob>,
}

/// The end of an answer. Durations are in nanoseconds; numbers that are 0 are not written (section 2.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Final<'a> {
    /// `stop` or `length`.
    pub done_reason: &'a str,
    /// Tokens of prompt and answer, for generate's `context`.
    pub context: Option<&'a [i32]>,
    /// From the request's arrival to now.
    pub total_ns: u64,
    /// From the request's arrival to the model being granted.
    pub load_ns: u64,
    /// Tokens of the prompt, cached ones included.
    pub prompt_eval_count: u32,
    /// Time for the prompt's new part.
    pub prompt_eval_ns: u64,
    /// Tokens sampled.
    pub eval_count: u32,
    /// Time for them.
    pub eval_ns: u64,
    /// The prompt was cut to fit; written only when true (our own field).
    pub prompt_truncated: bool,
}

/// Four digits hold the size of any event in one slot; leading zeros are legal (RFC 9112, section 7.1).
const SHORT_CHUNK: usize = 4;
/// Eight hold that of any event in memory.
const LONG_CHUNK: usize = 8;
/// The last chunk and the empty trailer section.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes one reply. Calls after its end do nothing.
#[derive(Debug)]
pub struct ReplyWriter {
    core: usize,
    key: StreamKey,
    framing: Framing,
    status: u16,
    events: Events,
    /// Framed bytes that had to wait for slots; `pending[sent..]` is still to go.
    pending: Vec<u8>,
    sent: usize,
    /// What the last event will carry: all of a whole reply.
    rest: Rest,
    started: bool,
    refused: bool,
    ended: bool,
}

impl ReplyWriter {
    /// A writer of the reply `key` on `core`.
    pub fn new(core: usize, key: StreamKey, format: &ReplyFormat) -> Self {
        Self {
            core,
            key,
            framing: format.framing,
            status: 200,
            events: Events::new(format.dialect, &format.model),
            pending: Vec::new(),
            sent: 0,
            rest: Rest::default(),
            started: false,
            refused: false,
            ended: false,
        }
    }

    /// A piece of the answer. Without a free slot its event waits here: look at [`ReplyWriter::is_drained`] before
    /// decoding further for this reply, then no more than one step's events ever wait. A whole reply that grows past
    /// [`WHOLE_REPLY_BYTES`] ends with an error: look at [`ReplyWriter::ended`] too.
    pub fn token(&mut self, out: &mut Outbox, text: &str, logprobs: &[Logprob]) {
        self.part(out, Part::Content(text), logprobs);
    }

    /// A piece of the thinking; otherwise as [`ReplyWriter::token`].
    pub fn thinking(&mut self, out: &mut Outbox, text: &str, logprobs: &[Logprob]) {
        self.part(out, Part::Thinking(text), logprobs);
    }

    /// A call of a tool, as JSON; otherwise as [`ReplyWriter::token`]. A generate's last event has its calls.
    pub fn call(&mut self, out: &mut Outbox, call: &[u8], logprobs: &[Logprob]) {
        if self.framing == Framing::Whole || self.events.streams_calls() {
            return self.part(out, Part::Call(call), logprobs);
        }
        if !logprobs.is_empty() {
            self.token(out, "", logprobs);
        }
        self.keep(out, Part::Call(call), &[]);
    }

    /// Keeps a piece for the last event.
    fn keep(&mut self, out: &mut Outbox, part: Part<'_>, logprobs: &[Logprob]) {
        self.rest.add(part, logprobs);
        if self.rest.len() > WHOLE_REPLY_BYTES {
            self.error(out, 500, "the answer is too long to be sent in one piece; ask for a stream");
        }
    }

    fn part(&mut self, out: &mut Outbox, part: Part<'_>, logprobs: &[Logprob]) {
        if self.ended {
            return;
        }
        if self.framing == Framing::Whole {
            return self.keep(out, part, logprobs);
        }
        if self.pending.is_empty() && self.part_in_place(out, part, logprobs) {
            return;
        }
        let stamp = out.stamp();
        put_event(&mut self.pending, self.framing, |pending| {
            self.events.part(pending, &stamp, part, logprobs);
        });
        self.pump(out);
    }

    /// Writes the event into a slot; false when none is free or it does not fit into one.
    fn part_in_place(&mut self, out: &mut Outbox, part: Part<'_>, logprobs: &[Logprob]) -> bool {
        let stamp = out.stamp();
        let Some(mut slot) = out.slot(self.core) else { return false };
        let payload = slot.payload();
        let mut sink = Fixed::new(&mut *payload);
        let chunked = self.framing == Framing::Chunked;
        if chunked {
            sink.put(b"0000\r\n");
        }
        self.events.part(&mut sink, &stamp, part, logprobs);
        sink.put(if chunked { b"\n\r\n" } else { b"\n" });
        let Some(len) = sink.len() else { return false };
        if chunked {
            let around = SHORT_CHUNK + 2 + 2;
            put_hex(&mut payload[..SHORT_CHUNK], len - around);
        }
        slot.commit(self.head(len, false));
        self.started = true;
        true
    }

    /// The end of the answer.
    pub fn finish(&mut self, out: &mut Outbox, end: &Final<'_>) {
        if self.ended {
            return;
        }
        let stamp = out.stamp();
        let (events, rest) = (&self.events, std::mem::take(&mut self.rest));
        if self.framing == Framing::Whole {
            events.last(&mut self.pending, &stamp, &rest, end);
        } else {
            put_event(&mut self.pending, self.framing, |pending| events.last(pending, &stamp, &rest, end));
        }
        self.end(out);
    }

    /// The whole reply to a request that only loads or unloads: `reason` is `load` or `unload`.
    pub fn done_single(&mut self, out: &mut Outbox, reason: &str) {
        let stamp = out.stamp();
        self.single(out, |events, pending| events.single(pending, &stamp, reason));
    }

    /// The whole reply to a request that only wants its prompt rendered.
    pub fn debug_render(&mut self, out: &mut Outbox, prompt: &str) {
        let stamp = out.stamp();
        self.single(out, |events, pending| events.debug(pending, &stamp, prompt));
    }

    /// Refuses the request, before anything was computed for it: as [`ReplyWriter::error`], and the reply says so.
    pub fn refuse(&mut self, out: &mut Outbox, status: u16, message: &str) {
        self.refused = !self.started;
        self.error(out, status, message);
    }

    /// Ends the reply with an error (the behaviour page, section 0.6): with `status` and a body of its own as long as
    /// nothing has gone out; after that as one more event.
    pub fn error(&mut self, out: &mut Outbox, status: u16, message: &str) {
        if !self.started {
            self.status = status;
            self.single(out, |_, pending| put_error(pending, message));
        } else if !self.ended {
            put_event(&mut self.pending, self.framing, |pending| put_error(pending, message));
            self.end(out);
        }
    }

    /// Moves on what had to wait for slots.
    pub fn pump(&mut self, out: &mut Outbox) {
        while self.sent < self.pending.len() {
            let Some(mut slot) = out.slot(self.core) else { return };
            let rest = &self.pending[self.sent..];
            let len = rest.len().min(PAYLOAD_BYTES);
            slot.payload()[..len].copy_from_slice(&rest[..len]);
            let is_last = self.ended && len == rest.len();
            slot.commit(self.head(len, is_last));
            self.started = true;
            self.sent += len;
        }
        self.pending.clear();
        self.sent = 0;
    }

    /// Whether everything written so far is on its way: nothing waits for slots.
    pub fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the reply has its end, on its way or waiting for slots.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether a slot of this reply has gone out: its status is fixed then.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Replaces whatever was not sent by one object with a length, and ends the reply.
    fn single(&mut self, out: &mut Outbox, write: impl FnOnce(&Events, &mut Vec<u8>)) {
        if self.ended || self.started {
            return;
        }
        self.framing = Framing::Whole;
        self.pending.clear();
        self.rest = Rest::default();
        write(&self.events, &mut self.pending);
        self.end(out);
    }

    fn end(&mut self, out: &mut Outbox) {
        if self.framing == Framing::Chunked {
            self.pending.put(LAST_CHUNK);
        }
        self.ended = true;
        self.pump(out);
    }

    /// Head of the next slot of this reply.
    fn head(&self, len: usize, is_last: bool) -> SlotHead {
        let first = if self.started { 0 } else { SlotHead::FIRST };
        let last = if is_last { SlotHead::LAST } else { 0 };
        let refused = if self.refused { SlotHead::REFUSED } else { 0 };
        let body = if self.framing == Framing::Whole && !self.started { self.pending.len() } else { 0 };
        SlotHead {
            stream: self.key,
            len: len as u32,
            status: self.status,
            framing: self.framing,
            flags: first | last | refused,
            body_bytes: body as u64,
        }
    }
}

/// Appends an event as a line, in a chunk where the framing asks for it.
fn put_event(pending: &mut Vec<u8>, framing: Framing, write: impl FnOnce(&mut Vec<u8>)) {
    if framing != Framing::Chunked {
        write(pending);
        pending.put(b"\n");
        return;
    }
    let size = pending.len();
    pending.put(b"00000000\r\n");
    let start = pending.len();
    write(pending);
    pending.put(b"\n");
    let len = pending.len() - start;
    put_hex(&mut pending[size..size + LONG_CHUNK], len);
    pending.put(b"\r\n");
}

/// Writes a number into all of `digits`, with leading zeros.
fn put_hex(digits: &mut [u8], mut number: usize) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[number & 15];
        number >>= 4;
    }
    assert_eq!(number, 0, "a chunk's size has more digits than were left for it");
}
