//! One request as the scheduler sees it: the tokens that are known, and how many of them the KV memory holds.
//!
//! There are no phases. A sequence that has more tokens known than computed gets rows until it has caught up; the row
//! that catches up yields logits, the token sampled from them is known next, and so on. A fresh prompt, a decode and a
//! recomputation after a preemption are the same thing with different distances.

use std::ops::Range;

use super::backend::Token;
use crate::config::limits::CONTEXT_MIN;

/// Names one request for its whole life in the engine. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What one request may use. All in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens known at once: `num_ctx`, at least [`CONTEXT_MIN`].
    pub context: usize,
    /// Tokens at the front that a shift keeps, at most `context - CONTEXT_MIN`.
    pub keep: usize,
    /// Drop the older half when the context is full; otherwise the answer ends with `length`.
    pub shift: bool,
    /// Most tokens to sample.
    pub predict: usize,
}

/// Why a request cannot become a sequence.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SequenceError {
    /// Nothing to compute: there would be no logits to go on from.
    #[error("the prompt holds no tokens")]
    Empty,
    /// The prompt leaves no room for an answer.
    #[error("a prompt of {tokens} tokens does not fit a context of {context} tokens")]
    TooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// The context that it should fit, with one token to spare.
        context: usize,
    },
}

/// Whether the scheduler goes on with a sequence after a token was sampled for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It wants its next token.
    Continue,
    /// It has all the tokens it asked for, or its context is full and may not shift: `length`.
    Length,
}

/// A request in the scheduler. See the head of this file.
#[derive(Debug, Clone)]
pub struct Sequence {
    id: RequestId,
    known: Vec<Token>,
    computed: usize,
    sampled: usize,
    limits: Limits,
    paused: bool,
    was_admitted: bool,
}

impl Sequence {
    /// A sequence that starts with `prompt`, of which nothing is computed yet.
    ///
    /// # Errors
    /// When the prompt is empty, or fills the context (`context - 1` tokens is the most).
    pub fn new(id: RequestId, prompt: Vec<Token>, limits: Limits) -> Result<Self, SequenceError> {
        let context = limits.context.max(CONTEXT_MIN);
        if prompt.is_empty() {
            return Err(SequenceError::Empty);
        }
        if prompt.len() >= context {
            return Err(SequenceError::TooLong { tokens: prompt.len(), context });
        }
        let limits = Limits { context, keep: limits.keep.min(context - CONTEXT_MIN), ..limits };
        Ok(Self { id, known: prompt, computed: 0, sampled: 0, limits, paused: false, was_admitted: false })
    }

    /// The request's name.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The tokens known, less what shifts have dropped.
    pub fn known(&self) -> &[Token] {
        &self.known
    }

    /// How many of the known tokens are in KV memory. One token is one cell.
    pub fn computed(&self) -> usize {
        self.computed
    }

    /// Tokens known but not computed.
    pub fn missing(&self) -> usize {
        self.known.len() - self.computed
    }

    /// Tokens sampled so far.
    pub fn sampled(&self) -> usize {
        self.sampled
    }

    /// Whether its client is behind, so that it gets no rows.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether it has run before: it waits because it was preempted.
    pub fn was_admitted(&self) -> bool {
        self.was_admitted
    }

    pub(super) fn set_admitted(&mut self) {
        self.was_admitted = true;
    }

    /// Its limits, clamped.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Cells that it can come to want beyond its missing tokens.
    pub(super) fn growth(&self) -> usize {
        let context = self.limits.context.saturating_sub(self.known.len());
        let predict = self.limits.predict.saturating_sub(self.sampled);
        context.min(predict)
    }

    /// Hands out the next `count` missing tokens for a batch, and the position of the first of them.
    pub(super) fn advance(&mut self, count: usize) -> (usize, &[Token]) {
        let from = self.computed;
        self.computed = (from + count).min(self.known.len());
        (from, &self.known[from..self.computed])
    }

    /// Its cells were taken away: everything known has to be computed again.
    pub(super) fn forget(&mut self) {
        self.computed = 0;
    }

    /// Adds the token sampled after everything known was computed.
    pub(super) fn push(&mut self, token: Token) -> Verdict {
        self.known.push(token);
        self.sampled += 1;
        let full = self.known.len() >= self.limits.context && !self.limits.shift;
        if full || self.sampled >= self.limits.predict { Verdict::Length } else { Verdict::Continue }
    }

    /// When the context is full: drops the older half of what follows the kept front, as llama-server's context shift
    /// does, and says which positions went. Those that were computed have to leave the KV memory too.
    pub(super) fn shift(&mut self) -> Option<Range<usize>> {
        if self.known.len() < self.limits.context {
            return None;
        }
        let keep = self.limits.keep;
        // The token sampled last is not computed yet; llama-server counts without it.
        let discard = (self.known.len() - 1 - keep) / 2;
        let dropped = keep..keep + discard;
        self.known.drain(dropped.clone());
        let computed_of_dropped = self.computed.clamp(keep, dropped.end) - keep;
        self.computed -= computed_of_dropped.min(self.computed);
        Some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(context: usize, keep: usize, shift: bool, predict: usize) -> Limits {
        Limits { context, keep, shift, predict }
    }

    fn sequence(tokens: usize, limits: Limits) -> Result<Sequence, SequenceError> {
        Sequence::new(RequestId(1), (0..tokens as Token).collect(), limits)
    }

    #[test]
    fn a_prompt_needs_a_token_and_must_leave_room_for_one() {
        let limits = limits(8, 0, true, 10);
        assert_eq!(sequence(0, limits).unwrap_err(), SequenceError::Empty);
        assert_eq!(sequence(8, limits).unwrap_err(), SequenceError::TooLong { tokens: 8, context: 8 });
        assert!(sequence(7, limits).is_ok());
    }

    #[test]
    fn a_tiny_context_is_raised_and_keep_leaves_something_to_drop() {
        let sequence = sequence(3, limits(1, 100, true, 10)).unwrap();
        assert_eq!(sequence.limits().context, CONTEXT_MIN);
        assert_eq!(sequence.limits().keep, 0);
    }

    #[test]
    fn an_answer_ends_at_its_length_or_at_a_context_that_may_not_shift() {
        // (context, shift, predict) -> tokens sampled when the verdict comes
        for (context, shift, predict, expected) in [(100, true, 3, 3), (8, false, 50, 5), (8, true, 50, 50)] {
            let mut sequence = sequence(3, limits(context, 1, shift, predict)).unwrap();
            let mut sampled = 0;
            loop {
                sequence.shift();
                sequence.advance(usize::MAX / 2);
                sampled += 1;
                if sequence.push(7) == Verdict::Length {
                    break;
                }
            }
            assert_eq!(sampled, expected, "context {context} shift {shift} predict {predict}");
        }
    }

    #[test]
    fn a_shift_drops_the_older_half_behind_the_kept_front() {
        let mut sequence = sequence(9, limits(10, 2, true, 50)).unwrap();
        sequence.advance(9);
        assert_eq!(sequence.shift(), None);
        sequence.push(100);
        assert_eq!(sequence.shift(), Some(2..5));
        assert_eq!(sequence.known(), [0, 1, 5, 6, 7, 8, 100]);
        assert_eq!((sequence.computed(), sequence.missing()), (6, 1));
    }

    #[test]
    fn a_shift_of_a_sequence_without_cells_drops_only_tokens() {
        let mut sequence = sequence(9, limits(10, 2, true, 50)).unwrap();
        sequence.push(100);
        sequence.forget();
        assert_eq!(sequence.shift(), Some(2..5));
        assert_eq!((sequence.computed(), sequence.missing()), (0, 7));
    }
}
