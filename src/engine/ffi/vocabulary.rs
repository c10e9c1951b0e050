//! Tokens and text. The bytes of every token are read once, when the model is loaded.

use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::model::Model;
use crate::engine::backend::{Token, TokenizeError, Vocabulary};

/// The vocabulary of a loaded model. It keeps the model's weights alive, because the tokenizer is a part of them: whoever
/// unloads a model has to drop its vocabulary too.
#[derive(Debug)]
pub struct LlamaVocabulary {
    model: Arc<Model>,
    /// As in an answer: control tokens are empty.
    plain: Pieces,
    /// With control tokens spelled out.
    spelled: Pieces,
    /// Whether each token ends an answer.
    ends: Vec<bool>,
    template: Option<String>,
    bos_text: String,
    eos_text: String,
    fill_in: Option<[String; 3]>,
    /// Whether the model wants a beginning-of-sequence token.
    adds_bos: bool,
}

/// The bytes of every token, one after the other.
#[derive(Debug)]
struct Pieces {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
}

impl LlamaVocabulary {
    /// Reads the whole vocabulary of `model`; `None` if it has none.
    pub(super) fn new(model: Arc<Model>) -> Option<Self> {
        let vocabulary = model.vocabulary();
        // SAFETY: the vocabulary belongs to a loaded model, which `model` keeps alive; these calls only read it.
        let (kind, count, bos, eos, adds_bos, fill_in) = unsafe {
            (
                sys::llama_vocab_type(vocabulary),
                sys::llama_vocab_n_tokens(vocabulary),
                sys::llama_vocab_bos(vocabulary),
                sys::llama_vocab_eos(vocabulary),
                sys::llama_vocab_get_add_bos(vocabulary),
                [
                    sys::llama_vocab_fim_pre(vocabulary),
                    sys::llama_vocab_fim_suf(vocabulary),
                    sys::llama_vocab_fim_mid(vocabulary),
                ],
            )
        };
        // Tokenizing without a vocabulary would abort.
        if kind == sys::LLAMA_VOCAB_TYPE_NONE || count <= 0 {
            return None;
        }
        let plain = Pieces::read(&model, count, false);
        let spelled = Pieces::read(&model, count, true);
        // SAFETY: as above, and every token is below `count`.
        let ends = (0..count).map(|token| unsafe { sys::llama_vocab_is_eog(vocabulary, token) }).collect();
        let text = |token| String::from_utf8_lossy(spelled.get(token)).into_owned();
        Some(Self {
            template: model.chat_template(),
            bos_text: text(bos),
            eos_text: text(eos),
            // A model without such tokens has -1 for them, whose text is empty.
            fill_in: Some(fill_in.map(text)).filter(|texts| texts.iter().all(|text| !text.is_empty())),
            adds_bos,
            ends,
            plain,
            spelled,
            model,
        })
    }
}

impl Pieces {
    fn read(model: &Model, count: Token, spell_control: bool) -> Self {
        let mut pieces = Self { bytes: Vec::new(), ends: Vec::with_capacity(count as usize) };
        let mut buffer = vec![0u8; 64];
        for token in 0..count {
            let mut length = piece_into(model, token, spell_control, &mut buffer);
            if length < 0 {
                buffer.resize(length.unsigned_abs() as usize, 0);
                length = piece_into(model, token, spell_control, &mut buffer);
            }
            let piece = buffer.get(..length.max(0) as usize).unwrap_or_default();
            pieces.bytes.extend_from_slice(piece);
            pieces.ends.push(pieces.bytes.len());
        }
        pieces
    }

    /// The bytes of a token; nothing for a number that is no token.
    fn get(&self, token: Token) -> &[u8] {
        let Ok(index) = usize::try_from(token) else { return &[] };
        let Some(&end) = self.ends.get(index) else { return &[] };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..end]
    }
}

/// Writes a token's bytes; returns their number, or minus the number needed when `buffer` is too small.
fn piece_into(model: &Model, token: Token, spell_control: bool, buffer: &mut [u8]) -> i32 {
    let (start, length) = (buffer.as_mut_ptr(), buffer.len() as i32);
    // SAFETY: llama.cpp writes at most `length` bytes from `start`, which is ours, and checks the token itself.
    unsafe { sys::llama_token_to_piece(model.vocabulary(), token, start.cast(), length, 0, spell_control) }
}

impl Vocabulary for LlamaVocabulary {
    fn tokenize(&self, text: &str, special: bool, bos: bool) -> Result<Vec<Token>, TokenizeError> {
        let too_long = TokenizeError { bytes: text.len() };
        let Ok(length) = i32::try_from(text.len()) else { return Err(too_long) };
        // A template that prints the token itself must not get a second one.
        let has_bos = special && !self.bos_text.is_empty() && text.starts_with(&self.bos_text);
        let add_bos = bos && self.adds_bos && !has_bos;
        // A token has a byte at least, and the tokenizer may put one in front and one behind.
        let mut tokens: Vec<Token> = Vec::with_capacity(text.len().saturating_add(2).min(i32::MAX as usize));
        let mut room = tokens.capacity().min(i32::MAX as usize) as i32;
        for _ in 0..2 {
            // SAFETY: reads `length` bytes of `text` and writes at most `room` tokens into memory that is ours.
            let count = unsafe {
                let (vocabulary, start) = (self.model.vocabulary(), text.as_ptr().cast());
                sys::llama_tokenize(vocabulary, start, length, tokens.as_mut_ptr(), room, add_bos, special)
            };
            if let Ok(written) = usize::try_from(count) {
                // SAFETY: llama.cpp has written `written` tokens, at most `room`, which is within the capacity.
                unsafe { tokens.set_len(written) };
                return Ok(tokens);
            }
            // A negative count tells how many would not fit (some tokenizers expand the text), or that 2^31 do not do.
            let Some(needed) = count.checked_neg() else { return Err(too_long) };
            tokens.reserve_exact(needed as usize);
            room = needed;
        }
        Err(too_long)
    }

    fn piece(&self, token: Token) -> &[u8] {
        self.plain.get(token)
    }

    fn piece_special(&self, token: Token) -> &[u8] {
        self.spelled.get(token)
    }

    fn is_end(&self, token: Token) -> bool {
        usize::try_from(token).ok().and_then(|index| self.ends.get(index)).copied().unwrap_or(false)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn chat_template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    fn fill_in_texts(&self) -> Option<[&str; 3]> {
        self.fill_in.as_ref().map(|texts| texts.each_ref().map(String::as_str))
    }

    fn bos_text(&self) -> &str {
        &self.bos_text
    }

    fn eos_text(&self) -> &str {
        &self.eos_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_numbers_that_are_no_token_are_empty() {
        let pieces = Pieces { bytes: b"abc".to_vec(), ends: vec![1, 1, 3] };
        let rows: [(Token, &[u8]); 6] = [(0, b"a"), (1, b""), (2, b"bc"), (3, b""), (-1, b""), (Token::MIN, b"")];
        for (token, bytes) in rows {
            assert_eq!(pieces.get(token), bytes, "token {token}");
        }
    }
}
