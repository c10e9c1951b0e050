//! Which part of an answer its grammar is about: all of it, or what comes after the thinking.
//!
//! A model that thinks writes `<think>…</think>` and then the answer, in one go; the grammar holds from the end of the
//! closing tag. Where the prompt has not opened the thinking, the model may do so or begin with the answer at once:
//! until that is known, the tokens that go on with the opening tag are let through beside the grammar's own.

use crate::engine::backend::{Token, Vocabulary};

/// The tags around the thinking, as the model writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thinking {
    /// What opens it; `None`: the prompt has done so.
    pub open: Option<String>,
    /// What closes it.
    pub close: String,
}

/// Where an answer stands between thinking and grammar.
#[derive(Debug)]
pub(super) struct Gate {
    place: Place,
    close: Vec<u8>,
}

#[derive(Debug)]
enum Place {
    /// The grammar holds.
    On,
    /// So much of the opening tag has come.
    Opening(Opening),
    /// Inside; with as much of the end as may be the beginning of the closing tag.
    Thinking(Vec<u8>),
}

#[derive(Debug)]
struct Opening {
    come: usize,
    length: usize,
    /// For each number of bytes that have come: the tokens that go on with the tag.
    steps: Vec<Vec<Token>>,
    mask: Vec<u32>,
}

/// What a token means for the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// It begins with the next token, and this text of the answer has come.
    Begin(Vec<u8>),
    /// It goes on by this token.
    Follow,
}

impl Gate {
    /// For an answer that is held to its grammar from its first token, or after it has thought.
    pub(super) fn new(thinking: Option<&Thinking>, vocabulary: &dyn Vocabulary) -> Self {
        let Some(Thinking { open, close }) = thinking else { return Self { place: Place::On, close: Vec::new() } };
        let place = match open {
            Some(tag) if !tag.is_empty() => Place::Opening(Opening::new(tag.as_bytes(), vocabulary)),
            _ => Place::Thinking(Vec::new()),
        };
        Self { place, close: close.clone().into_bytes() }
    }

    /// Whether the next token's mask is wanted.
    pub(super) fn wants_mask(&self) -> bool {
        !matches!(self.place, Place::Thinking(_))
    }

    /// Whether any token may come.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.place, Place::Thinking(_))
    }

    /// The thinking has ended.
    pub(super) fn open(&mut self) {
        self.place = Place::On;
    }

    /// The grammar's mask, with what may come instead.
    pub(super) fn widen<'a>(&'a mut self, mask: &'a [u32]) -> &'a [u32] {
        let Place::Opening(opening) = &mut self.place else { return mask };
        opening.mask.clear();
        if opening.come == 0 {
            opening.mask.extend_from_slice(mask);
        } else {
            // A tag that has begun goes on.
            opening.mask.resize(mask.len(), 0);
        }
        for &token in opening.steps.get(opening.come).into_iter().flatten() {
            if let Some(word) = opening.mask.get_mut(token as usize / 32) {
                *word |= 1 << (token as u32 % 32);
            }
        }
        &opening.mask
    }

    /// A token has come.
    pub(super) fn accept(&mut self, token: Token, spelled: &[u8]) -> Step {
        match &mut self.place {
            Place::On => Step::Follow,
            Place::Opening(opening) => {
                let is_tag = opening.steps.get(opening.come).is_some_and(|tokens| tokens.contains(&token));
                if !is_tag {
                    self.place = Place::On;
                    return Step::Follow;
                }
                opening.come += spelled.len();
                if opening.come >= opening.length {
                    self.place = Place::Thinking(Vec::new());
                }
                Step::Stay
            }
            Place::Thinking(tail) => {
                tail.extend_from_slice(spelled);
                let Some(at) = find(tail, &self.close) else {
                    let keep = tail.len().min(self.close.len().saturating_sub(1));
                    tail.drain(..tail.len() - keep);
                    return Step::Stay;
                };
                let rest = tail.split_off(at + self.close.len());
                let text = rest.trim_ascii_start().to_vec();
                self.place = Place::On;
                Step::Begin(text)
            }
        }
    }
}

impl Opening {
    fn new(tag: &[u8], vocabulary: &dyn Vocabulary) -> Self {
        let mut steps = vec![Vec::new(); tag.len()];
        for token in 0..vocabulary.len() as Token {
            let piece = vocabulary.piece_special(token);
            for (come, tokens) in steps.iter_mut().enumerate() {
                // Tokens that go on behind the tag are few, and the tag can be written without them.
                if !piece.is_empty() && !vocabulary.is_end(token) && tag[come..].starts_with(piece) {
                    tokens.push(token);
                }
            }
        }
        Self { come: 0, length: tag.len(), steps, mask: Vec::new() }
    }
}

/// Where `wanted` begins in `text`.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::synthetic::SyntheticVocabulary;

    fn gate(open: Option<&str>) -> Gate {
        let thinking = Thinking { open: open.map(str::to_owned), close: "</think>".into() };
        Gate::new(Some(&thinking), &SyntheticVocabulary)
    }

    /// Feeds text in pieces, as single tokens of those bytes.
    fn feed(gate: &mut Gate, pieces: &[&str]) -> Vec<Step> {
        pieces.iter().map(|piece| gate.accept(Token::from(piece.as_bytes()[0]), piece.as_bytes())).collect()
    }

    #[test]
    fn the_grammar_holds_from_the_end_of_the_thinking() {
        for pieces in [&["a</", "thi", "nk>"][..], &["a", "</think>\n\n"], &["<", "/thin", "k>"]] {
            let mut gate = gate(None);
            assert!(gate.is_free() && !gate.wants_mask());
            let steps = feed(&mut gate, pieces);
            let begin = steps.iter().position(|step| *step == Step::Begin(Vec::new())).expect("it begins");
            assert!(steps[..begin].iter().all(|step| *step == Step::Stay));
            assert!(!gate.is_free());
        }
        assert_eq!(feed(&mut gate(None), &["x</think> {\"a"]), [Step::Begin(b"{\"a".to_vec())]);
    }

    #[test]
    fn a_model_that_may_think_opens_the_tag_or_answers() {
        let mut thinks = gate(Some("<th>"));
        let brace = super::super::tokens::set(300, [Token::from(b'{')].into_iter());
        let both = super::super::tokens::set(300, [Token::from(b'{'), Token::from(b'<')].into_iter());
        assert_eq!(thinks.widen(&brace), both);
        assert_eq!(feed(&mut thinks, &["<"]), [Step::Stay]);
        let tag_only = super::super::tokens::set(300, [Token::from(b't')].into_iter());
        assert_eq!(thinks.widen(&brace), tag_only);
        assert_eq!(feed(&mut thinks, &["t", "h", ">"]), [Step::Stay, Step::Stay, Step::Stay]);
        assert!(thinks.is_free());
        let mut answers = gate(Some("<th>"));
        assert_eq!(feed(&mut answers, &["{"]), [Step::Follow]);
        assert_eq!(answers.widen(&brace), brace);
    }
}
