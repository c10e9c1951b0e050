//! What a rendering may still use: steps, and bytes of text. Templates come from strangers.

use super::error::Fail;
use super::tree::Text;
use crate::config::limits::{PROMPT_BYTES, TEMPLATE_FUEL, TEMPLATE_WORK_BYTES};

/// Bytes that are copied or compared for one step.
const BYTES_PER_STEP: usize = 64;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    bytes: usize,
}

impl Budget {
    pub fn new() -> Self {
        Self { steps: TEMPLATE_FUEL, bytes: TEMPLATE_WORK_BYTES }
    }

    /// Takes `steps`.
    pub fn step(&mut self, steps: usize) -> Result<(), Fail> {
        self.steps = self.steps.checked_sub(steps as u64).ok_or(Fail::TooManySteps)?;
        Ok(())
    }

    /// Takes the steps of looking at `bytes`.
    pub fn look(&mut self, bytes: usize) -> Result<(), Fail> {
        self.step(1 + bytes / BYTES_PER_STEP)
    }

    /// Takes `bytes` of new text.
    pub fn made(&mut self, bytes: usize) -> Result<(), Fail> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Fail::TooLong)?;
        self.look(bytes)
    }

    /// Makes a text of what `write` writes.
    pub fn text(&mut self, write: impl FnOnce(&mut Sink)) -> Result<Text, Fail> {
        let mut sink = Sink { out: Vec::new(), room: self.bytes.min(PROMPT_BYTES), is_full: false };
        write(&mut sink);
        self.settle(&sink, 0)?;
        Ok(sink.out.into())
    }

    /// Appends what `write` writes to `out`.
    pub fn append(&mut self, out: &mut Sink, write: impl FnOnce(&mut Sink)) -> Result<(), Fail> {
        let before = out.out.len();
        write(out);
        self.settle(out, before)
    }

    fn settle(&mut self, sink: &Sink, before: usize) -> Result<(), Fail> {
        if sink.is_full { Err(Fail::TooLong) } else { self.made(sink.out.len() - before) }
    }
}

/// Collects a text up to a length; what does not fit is dropped and remembered.
#[derive(Debug)]
pub(super) struct Sink {
    out: Vec<u8>,
    room: usize,
    is_full: bool,
}

impl Sink {
    /// Room for a whole prompt.
    pub fn new() -> Self {
        Self { out: Vec::new(), room: PROMPT_BYTES, is_full: false }
    }

    /// What it holds.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Appends.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_full || bytes.len() > self.room - self.out.len() {
            self.is_full = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    /// Appends.
    pub fn push_str(&mut self, text: &str) {
        self.push(text.as_bytes());
    }

    /// Appends `byte` as often.
    pub fn fill(&mut self, byte: u8, count: usize) {
        if self.is_full || count > self.room - self.out.len() {
            self.is_full = true;
        } else {
            self.out.resize(self.out.len() + count, byte);
        }
    }

    /// What `write` writes, on its own, with the room that is left here. What does not fit there fills this one too.
    pub fn aside(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut sink = Self { out: Vec::new(), room: self.room - self.out.len(), is_full: self.is_full };
        write(&mut sink);
        self.is_full = sink.is_full;
        sink.out
    }

    /// Whether something was dropped; whoever writes in a loop stops then.
    pub fn is_full(&self) -> bool {
        self.is_full
    }
}
