//! An answer's place in its grammar, and the mask that follows from it. Lives on the mask workers.

use std::sync::Arc;

use llguidance::Matcher;
use llguidance::api::StopReason;

use super::json_place::Place;
use super::tokens::Tokens;
use crate::config::limits::NUMBER_BYTES_MAX;
use crate::engine::backend::Token;

/// The place of one answer.
pub(super) struct State {
    matcher: Matcher,
    tokens: Arc<Tokens>,
    place: Place,
}

impl State {
    /// At the beginning of a grammar.
    pub(super) fn new(matcher: Matcher, tokens: Arc<Tokens>) -> Self {
        Self { matcher, tokens, place: Place::default() }
    }

    /// Goes on by a token, which the last mask had in it.
    ///
    /// # Errors
    /// When the grammar does not go on that way, or has become too complex.
    pub(super) fn accept(&mut self, token: Token) -> Result<(), String> {
        self.place.advance(self.tokens.bytes(token));
        self.matcher.consume_token(token as u32).map_err(|error| first_line(&error.to_string()))
    }

    /// Goes on by text that came before the grammar was on. Nothing of it counts from where the grammar does not follow.
    pub(super) fn accept_text(&mut self, text: &[u8]) {
        let trie = self.tokens.environment.tok_trie();
        let tokens = trie.greedy_tokenize(text);
        if self.matcher.try_consume_tokens(&tokens).is_ok() {
            self.place.advance(text);
        }
    }

    /// The tokens that may come next, as [`llamero_kernels::sampling::Sampler::sample_among`] takes them. None at all:
    /// the text is complete, and the vocabulary has no token that says so.
    ///
    /// # Errors
    /// When that takes more than the limits allow.
    pub(super) fn mask(&mut self) -> Result<Vec<u32>, String> {
        let mut words: Vec<u32> = match self.matcher.compute_mask_or_eos() {
            Ok(mask) => mask.into(),
            Err(_) if self.matcher.stop_reason() == StopReason::NoExtensionBias => return Ok(Vec::new()),
            Err(error) => return Err(first_line(&error.to_string())),
        };
        if self.place.number_bytes() >= NUMBER_BYTES_MAX {
            keep_if_any(&mut words, &self.tokens.numbers, |word, number| word & !number);
        }
        // What is complete and may go on with white space alone is at its end.
        let is_end = any(&words, &self.tokens.ends);
        let mut others = words.iter().zip(self.tokens.ends.iter().zip(&self.tokens.blanks));
        if is_end && !others.any(|(word, (end, blank))| word & !end & !blank != 0) {
            keep_if_any(&mut words, &self.tokens.ends, |word, end| word & end);
        }
        Ok(words)
    }
}

/// Whether two sets have a token in common.
fn any(words: &[u32], others: &[u32]) -> bool {
    words.iter().zip(others).any(|(word, other)| word & other != 0)
}

/// Replaces a set by what `keep` leaves of it, unless that is nothing.
fn keep_if_any(words: &mut [u32], others: &[u32], keep: impl Fn(u32, u32) -> u32) {
    if words.iter().zip(others).any(|(&word, &other)| keep(word, other) != 0) {
        for (word, &other) in words.iter_mut().zip(others) {
            *word = keep(*word, other);
        }
    }
}

/// llguidance's texts go on with the state of its parser.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
