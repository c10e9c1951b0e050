//! A vocabulary as grammars see it: a trie of the bytes of its tokens, and sets of tokens that masks are cut with.

use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};

use super::json_place::is_number_byte;
use crate::config::limits::TRIE_PIECE_BYTES;
use crate::engine::backend::{Token, Vocabulary};

/// The byte that no text has; llguidance gives it a meaning of its own.
const NO_TEXT: u8 = 0xff;

/// Made once for each loaded model, by the first request that has a format: a fifth of a second for 150,000 tokens.
pub(super) struct Tokens {
    /// The trie, for llguidance.
    pub(super) environment: TokEnv,
    /// Those that end an answer.
    pub(super) ends: Vec<u32>,
    /// Those that go on with a number.
    pub(super) numbers: Vec<u32>,
    /// Those that begin with white space.
    pub(super) blanks: Vec<u32>,
}

impl Tokens {
    /// Reads a whole vocabulary.
    pub(super) fn of(vocabulary: &dyn Vocabulary) -> Self {
        let count = vocabulary.len();
        let words: Vec<Vec<u8>> = (0..count as Token).map(|token| word(vocabulary, token)).collect();
        let ends: Vec<Token> = (0..count as Token).filter(|&token| vocabulary.is_end(token)).collect();
        let first_is = |test: fn(u8) -> bool| {
            set(
                count,
                (0..).zip(&words).filter(|(_, word)| word.first().is_some_and(|&byte| test(byte))).map(|(at, _)| at),
            )
        };
        let (numbers, blanks) = (first_is(is_number_byte), first_is(|byte| byte.is_ascii_whitespace()));

        let mut trie = TokTrie::from(&TokRxInfo::new(count as u32, INVALID_TOKEN), &words);
        if !ends.is_empty() {
            let ids: Vec<u32> = ends.iter().map(|&token| token as u32).collect();
            trie = trie.with_eos_tokens(&ids);
        }
        let environment = Arc::new(ApproximateTokEnv::new(trie));
        Self { environment, ends: set(count, ends.into_iter()), numbers, blanks }
    }

    /// The bytes of a token.
    pub(super) fn bytes(&self, token: Token) -> &[u8] {
        let trie = self.environment.tok_trie();
        match u32::try_from(token) {
            Ok(id) if (id as usize) < trie.vocab_size() => trie.token(id),
            _ => &[],
        }
    }
}

/// The bytes of a token; none for one that no answer in JSON has.
fn word(vocabulary: &dyn Vocabulary, token: Token) -> Vec<u8> {
    let piece = vocabulary.piece(token);
    let usable = piece.len() <= TRIE_PIECE_BYTES && !piece.contains(&NO_TEXT) && !vocabulary.is_end(token);
    if usable { piece.to_vec() } else { Vec::new() }
}

/// A mask of these tokens.
pub(super) fn set(count: usize, tokens: impl Iterator<Item = Token>) -> Vec<u32> {
    let mut words = vec![0; count.div_ceil(u32::BITS as usize)];
    for token in tokens {
        if let Some(word) = words.get_mut(token as usize / 32) {
            *word |= 1 << (token as u32 % 32);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::synthetic::{BEGIN, END, SyntheticVocabulary};

    #[test]
    fn every_token_has_its_bytes_and_sets() {
        let tokens = Tokens::of(&SyntheticVocabulary);
        let is_in = |set: &[u32], token: Token| set[token as usize / 32] >> (token % 32) & 1 == 1;
        assert_eq!(
            (tokens.bytes(65), tokens.bytes(BEGIN), tokens.bytes(END), tokens.bytes(-1)),
            (&b"A"[..], &[][..], &[][..], &[][..])
        );
        assert!(is_in(&tokens.ends, END) && !is_in(&tokens.ends, BEGIN));
        assert!(is_in(&tokens.numbers, Token::from(b'7')) && !is_in(&tokens.numbers, Token::from(b'a')));
        assert!(is_in(&tokens.blanks, Token::from(b' ')) && is_in(&tokens.blanks, 258));
        assert_eq!(tokens.bytes(0xff), b"");
    }
}
