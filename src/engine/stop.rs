//! From the bytes of tokens to the text of an answer: whole characters only, and nothing of a stop string.
//!
//! A token may hold part of a character, and its text may be the beginning of a stop string. Both are held back until
//! the next token tells. Bytes that never become a character come out as U+FFFD.

use std::mem;

/// The text of one answer as it grows.
#[derive(Debug, Default)]
pub struct AnswerText {
    /// Not empty, none of them.
    stops: Vec<String>,
    /// Bytes that are not a whole character yet, at most three.
    partial: Vec<u8>,
    /// Text that may be the beginning of a stop string, behind the text of `ready`.
    held: String,
    /// Text that may go out.
    ready: String,
    stopped: bool,
}

impl AnswerText {
    /// An empty answer that ends before any of `stops`; empty ones stop nothing.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self { stops, ..Self::default() }
    }

    /// Adds the bytes of a token. True when the answer has come to a stop string; what follows it is dropped.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if self.stopped {
            return true;
        }
        let before = self.held.len();
        self.partial.extend_from_slice(piece);
        decode(&mut self.partial, &mut self.held);
        if self.stops.is_empty() {
            self.release(self.held.len());
        } else if let Some(end) = self.first_stop(before) {
            self.release(end);
            self.end();
        } else {
            self.release(self.held.len() - self.doubtful());
        }
        self.stopped
    }

    /// Lets out what was held back: the answer has ended without a stop string.
    pub fn finish(&mut self) {
        if self.stopped {
            return;
        }
        if !self.partial.is_empty() {
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        self.release(self.held.len());
        self.end();
    }

    /// The text that may go out now; empty when there is none.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Forgets [`Self::ready`]: it has gone out.
    pub fn sent(&mut self) {
        self.ready.clear();
    }

    /// Bytes that are held back.
    pub fn held(&self) -> usize {
        self.held.len() + self.partial.len()
    }

    fn release(&mut self, bytes: usize) {
        self.ready.push_str(&self.held[..bytes]);
        self.held.drain(..bytes);
    }

    fn end(&mut self) {
        self.stopped = true;
        self.held.clear();
        self.partial.clear();
    }

    /// Where the first stop string begins. The first `before` bytes were searched with the tokens before, so only a
    /// match that ends behind them is new.
    fn first_stop(&self, before: usize) -> Option<usize> {
        let first = |stop: &String| {
            let from = self.held.floor_char_boundary(before.saturating_sub(stop.len()));
            self.held[from..].find(stop.as_str()).map(|place| from + place)
        };
        self.stops.iter().filter_map(first).min()
    }

    /// Length of the longest end of the held text that a stop string begins with.
    fn doubtful(&self) -> usize {
        let held = self.held.as_bytes();
        let overlap = |stop: &String| {
            let longest = held.len().min(stop.len() - 1);
            (1..=longest).rev().find(|&length| held.ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
        };
        let doubtful = self.stops.iter().map(overlap).max().unwrap_or(0);
        held.len() - self.held.floor_char_boundary(held.len() - doubtful)
    }
}

/// Moves the whole characters at the front of `bytes` to `text`, each invalid stretch as one U+FFFD, and leaves the
/// beginning of a character.
fn decode(bytes: &mut Vec<u8>, text: &mut String) {
    let mut rest = mem::take(bytes);
    let mut start = 0;
    loop {
        match std::str::from_utf8(&rest[start..]) {
            Ok(valid) => {
                text.push_str(valid);
                start = rest.len();
                break;
            }
            Err(error) => {
                let valid = start + error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&rest[start..valid]));
                start = valid;
                let Some(invalid) = error.error_len() else { break };
                text.push(char::REPLACEMENT_CHARACTER);
                start += invalid;
            }
        }
    }
    rest.drain(..start);
    *bytes = rest;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All events of an answer, and whether it was stopped.
    fn run(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut text = AnswerText::new(stops.iter().map(ToString::to_string).collect());
        let mut events = Vec::new();
        let mut stopped = false;
        for piece in pieces {
            stopped = text.push(piece);
            events.push(text.ready().to_owned());
            text.sent();
            if stopped {
                break;
            }
        }
        text.finish();
        events.push(text.ready().to_owned());
        (events, stopped)
    }

    #[test]
    fn characters_are_never_split_and_stops_never_shown() {
        let flower = "🌸".as_bytes();
        let cases: &[(&[&str], &[&[u8]], &[&str], bool)] = &[
            (&[], &[b"ab", b"c"], &["ab", "c", ""], false),
            (&[], &[&flower[..1], &flower[1..3], &flower[3..]], &["", "", "🌸", ""], false),
            (&[], &[b"a\xff", b"b"], &["a\u{fffd}", "b", ""], false),
            (&[], &[b"a", &flower[..3]], &["a", "", "\u{fffd}"], false),
            (&[], &[&flower[..2], b"x"], &["", "\u{fffd}x", ""], false),
            (&["12"], &[b"1", b"1", b"2"], &["", "1", "", ""], true),
            (&["12"], &[b"a1", b"b", b"1"], &["a", "1b", "", "1"], false),
            (&["stop"], &[b"a st", b"o", b"p it"], &["a ", "", "", ""], true),
            (&["abcabd"], &[b"abcabcabd!"], &["abc", ""], true),
            (&["b", "ab"], &[b"xab"], &["x", ""], true),
            (&["é!"], &["é".as_bytes(), "é".as_bytes(), b"!"], &["", "é", "", ""], true),
            (&[""], &[b"a"], &["a", ""], false),
        ];
        for (stops, pieces, events, stopped) in cases {
            let (got, was_stopped) = run(stops, pieces);
            assert_eq!(got, *events, "{stops:?} {pieces:?}");
            assert_eq!(was_stopped, *stopped, "{stops:?} {pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_answer_is_the_text_before_the_first_stop(
            letters in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "é", "🌸", "ab"]), 0..20),
            cuts in proptest::collection::vec(1..4_usize, 0..60),
            stops in proptest::collection::vec("[abé]{1,3}", 0..3),
        ) {
            let whole = letters.concat();
            let mut rest = whole.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (events, stopped) = run(&stops, &pieces);
            // The stop that is complete first wins, as each token is looked at when it comes.
            let ends = |stop: &&str| whole.find(stop).map(|place| (place, place + stop.len()));
            let all: Vec<_> = stops.iter().filter_map(ends).collect();
            prop_assert_eq!(stopped, !all.is_empty());
            let answer = events.concat();
            prop_assert!(whole.starts_with(&answer));
            if stopped {
                prop_assert!(all.iter().any(|&(place, _)| place == answer.len()), "{} of {}", answer, whole);
                let earliest_end = all.iter().map(|&(_, end)| end).min().unwrap_or(0);
                prop_assert!(answer.len() < earliest_end);
            } else {
                prop_assert_eq!(answer, whole);
            }
        }
    }
}
