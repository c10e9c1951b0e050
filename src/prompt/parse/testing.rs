//! What the tests of the parsers share: a sink that remembers, and text in pieces.

use super::{Call, Parser, Sink};

/// What a parser made of an answer.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Answer {
    pub content: String,
    pub thinking: String,
    pub calls: Vec<Call>,
    /// The calls that could not be read, each with the answer up to there.
    pub unreadable: Vec<(String, Box<Answer>)>,
}

impl Sink for Answer {
    fn content(&mut self, text: &str) {
        assert!(!text.is_empty());
        self.content.push_str(text);
    }

    fn thinking(&mut self, text: &str) {
        assert!(!text.is_empty());
        self.thinking.push_str(text);
    }

    fn call(&mut self, call: Call) {
        assert_eq!(call.index, self.calls.len());
        self.calls.push(call);
    }

    fn unreadable(&mut self, text: &str) {
        let before = Self { unreadable: Vec::new(), ..self.clone() };
        self.unreadable.push((text.to_owned(), Box::new(before)));
        self.content(text);
    }
}

fn run<'a>(mut parser: Parser, pieces: impl IntoIterator<Item = &'a str>) -> Answer {
    let mut answer = Answer::default();
    for piece in pieces {
        parser.push(piece, &mut answer);
    }
    parser.finish(&mut answer);
    assert_eq!(parser.calls(), answer.calls.len());
    answer
}

/// Cuts `text` into pieces of up to `longest` characters, as `seed` has it.
fn cut(text: &str, longest: u64, mut seed: u64) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let length = (seed % longest) as usize + 1;
        let end = rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Parses `text` whole, character by character and in random pieces: the answer has to be the same.
pub(super) fn parse(parser: impl Fn() -> Parser, text: &str) -> Answer {
    let whole = run(parser(), [text]);
    assert_eq!(run(parser(), cut(text, 1, 1)), whole, "character by character: {text:?}");
    for seed in 1..=4 {
        let pieces = cut(text, 3 + seed * 4, seed * 0x9e37_79b9);
        assert_eq!(run(parser(), pieces.iter().copied()), whole, "in {pieces:?}");
    }
    whole
}
