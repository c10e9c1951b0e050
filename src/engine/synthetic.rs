//! A model without weights: what it says next is a hash of everything in its KV memory for the sequence.
//!
//! A token that is lost, repeated or put in the wrong place changes everything after it, so tests and simulations see
//! it. The backend also refuses what would go unnoticed in a real one: a position that does not follow, a batch that is
//! too large, cells that are not there.

use std::sync::Arc;

use super::backend::{Backend, Batch, DecodeError, Facts, LoadPlan, Pos, SeqId, Token, TokenizeError, Vocabulary};
use super::loader::{LoadError, Loader};

/// Token of the beginning of a sequence, `<s>`.
pub const BEGIN: Token = 256;
/// Token that ends an answer, `</s>`.
pub const END: Token = 257;
/// First of the words; the tokens below [`BEGIN`] are single bytes.
const FIRST_WORD: Token = 258;
const WORDS: [&str; 16] = [
    " llama", " load", " path", " high", " salt", " wool", " slow", " bell", " stone", " river", " año", " Perú",
    " 山", " <b>", "\n", ".",
];
/// Status of [`DecodeError::Failed`] when a row's position does not follow the sequence's last one.
pub const MISPLACED: i32 = -10;
/// Status of [`DecodeError::Failed`] when a batch has too many rows, or a row an unknown token or sequence.
pub const REFUSED: i32 = -11;

/// What a synthetic model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Cells of the KV pool.
    pub cells: u32,
    /// Most rows in one batch.
    pub batch_rows: usize,
    /// Sequence ids.
    pub sequences: usize,
    /// Context that it was "trained" with.
    pub trained_context: u32,
    /// Whether positions can be shifted.
    pub can_shift: bool,
    /// One answer in this many ends at each token; 0: none ever.
    pub end_every: u32,
    /// Bytes that it claims to take.
    pub bytes: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            cells: 8192,
            batch_rows: 512,
            sequences: 64,
            trained_context: 8192,
            can_shift: true,
            end_every: 0,
            bytes: 1 << 20,
        }
    }
}

/// The model. See the head of this file.
pub struct SyntheticBackend {
    facts: Facts,
    end_every: u32,
    /// Cells of each sequence, in the order of their positions.
    sequences: Vec<Vec<Cell>>,
    used: usize,
    logits: Vec<f32>,
    /// State after each row of the last batch; `None` where no logits were asked for.
    rows: Vec<Option<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    position: Pos,
    token: Token,
    /// Hash of everything up to and with this cell.
    state: u64,
}

impl SyntheticBackend {
    /// A model with empty memory.
    pub fn new(shape: Shape) -> Self {
        let facts = Facts {
            vocabulary: SyntheticVocabulary.len(),
            trained_context: shape.trained_context,
            cells: shape.cells,
            batch_rows: shape.batch_rows,
            plain_rows: shape.batch_rows,
            sequences: shape.sequences,
            can_shift: shape.can_shift,
            bytes: shape.bytes,
            gpu_bytes: 0,
        };
        Self {
            facts,
            end_every: shape.end_every,
            sequences: vec![Vec::new(); shape.sequences],
            used: 0,
            logits: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Cells in use.
    pub fn used(&self) -> usize {
        self.used
    }

    fn check(&self, batch: &Batch) -> Result<(), DecodeError> {
        let known = |&token: &Token| (0..self.facts.vocabulary as Token).contains(&token);
        let here = |&sequence: &SeqId| (0..self.sequences.len() as SeqId).contains(&sequence);
        if batch.len() > self.facts.batch_rows || !batch.tokens.iter().all(known) || !batch.sequences.iter().all(here) {
            return Err(DecodeError::Failed(REFUSED));
        }
        if self.used + batch.len() > self.facts.cells as usize {
            return Err(DecodeError::NoRoom { rows: batch.len() });
        }
        let mut ends: Vec<Pos> = self.sequences.iter().map(|cells| cells.len() as Pos).collect();
        for (&position, &sequence) in batch.positions.iter().zip(&batch.sequences) {
            let end = &mut ends[sequence as usize];
            if position != *end || self.sequences[sequence as usize].last().is_some_and(|last| last.position >= *end) {
                return Err(DecodeError::Failed(MISPLACED));
            }
            *end += 1;
        }
        Ok(())
    }
}

impl Backend for SyntheticBackend {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Arc::new(SyntheticVocabulary)
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.check(batch)?;
        self.rows.clear();
        self.used += batch.len();
        for row in 0..batch.len() {
            let cells = &mut self.sequences[batch.sequences[row] as usize];
            let token = batch.tokens[row];
            let state = extend(cells.last().map_or(0, |last| last.state), token);
            cells.push(Cell { position: batch.positions[row], token, state });
            self.rows.push(batch.wants_logits[row].then_some(state));
        }
        Ok(())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        self.logits.clear();
        let Some(state) = self.rows.get(row).copied().flatten() else { return &mut self.logits };
        let chosen = choose(state, self.end_every);
        // A little noise, so that sampling with a temperature has something to choose from.
        let noise = |token: usize| (mix(state ^ token as u64) >> 40) as f32 / (1 << 24) as f32 * 4.0;
        self.logits.extend((0..self.facts.vocabulary).map(noise));
        self.logits[chosen as usize] += 8.0;
        &mut self.logits
    }

    fn remove(&mut self, sequence: SeqId, from: Pos, to: Pos) {
        let to = if to < 0 { Pos::MAX } else { to };
        let Some(cells) = self.sequences.get_mut(sequence as usize) else { return };
        let before = cells.len();
        cells.retain(|cell| cell.position < from || cell.position >= to);
        self.used -= before - cells.len();
    }

    fn shift(&mut self, sequence: SeqId, from: Pos, to: Pos, delta: Pos) {
        let Some(cells) = self.sequences.get_mut(sequence as usize) else { return };
        let mut state = 0;
        for cell in cells {
            if (from..to).contains(&cell.position) {
                cell.position += delta;
            }
            state = extend(state, cell.token);
            cell.state = state;
        }
    }
}

/// Makes synthetic models, whatever file is asked for; pool and batch are as large as the plan says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SyntheticLoader;

impl Loader for SyntheticLoader {
    fn load(&self, plan: &LoadPlan, keep_going: &dyn Fn(f32) -> bool) -> Result<Box<dyn Backend>, LoadError> {
        if !keep_going(1.0) {
            return Err(LoadError::Stopped);
        }
        let shape = Shape { cells: plan.cells, batch_rows: plan.batch_rows as usize, ..Shape::default() };
        Ok(Box::new(SyntheticBackend::new(shape)))
    }
}

/// The token that the model says after `history`: what any correct scheduling of it has to come to.
pub fn next_token(history: &[Token], end_every: u32) -> Token {
    choose(history.iter().fold(0, |state, &token| extend(state, token)), end_every)
}

fn extend(state: u64, token: Token) -> u64 {
    mix(state.rotate_left(5) ^ token as u64 ^ 0x9e37_79b9_7f4a_7c15)
}

fn choose(state: u64, end_every: u32) -> Token {
    if end_every > 0 && mix(state ^ 1).is_multiple_of(u64::from(end_every)) {
        return END;
    }
    FIRST_WORD + (state % WORDS.len() as u64) as Token
}

/// The finishing step of `SplitMix64`: every bit of the result depends on every bit of `state`.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Bytes, two control tokens and a few words. Text becomes bytes; only the model speaks in words.
#[derive(Debug, Clone, Copy, Default)]
pub struct SyntheticVocabulary;

impl Vocabulary for SyntheticVocabulary {
    fn tokenize(&self, text: &str, special: bool, bos: bool) -> Result<Vec<Token>, TokenizeError> {
        let mut tokens = Vec::with_capacity(text.len() + 1);
        if bos && !(special && text.starts_with("<s>")) {
            tokens.push(BEGIN);
        }
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let control = [("<s>", BEGIN), ("</s>", END)].into_iter().find(|(name, _)| rest.starts_with(name));
            match control {
                Some((name, token)) if special => {
                    tokens.push(token);
                    rest = &rest[name.len()..];
                }
                _ => {
                    let (bytes, behind) = rest.split_at(character.len_utf8());
                    tokens.extend(bytes.bytes().map(Token::from));
                    rest = behind;
                }
            }
        }
        Ok(tokens)
    }

    fn piece(&self, token: Token) -> &[u8] {
        if token == BEGIN || token == END { b"" } else { self.piece_special(token) }
    }

    fn piece_special(&self, token: Token) -> &[u8] {
        match token {
            BEGIN => b"<s>",
            END => b"</s>",
            0..BEGIN => &BYTES[token as usize..=token as usize],
            _ => WORDS.get((token - FIRST_WORD) as usize).map_or(b"", |word| word.as_bytes()),
        }
    }

    fn is_end(&self, token: Token) -> bool {
        token == END
    }

    fn len(&self) -> usize {
        FIRST_WORD as usize + WORDS.len()
    }

    fn chat_template(&self) -> Option<&str> {
        None
    }

    fn bos_text(&self) -> &'static str {
        "<s>"
    }

    fn eos_text(&self) -> &'static str {
        "</s>"
    }
}

/// Every byte once, so that a byte's token can lend its piece.
static BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut index = 0;
    while index < bytes.len() {
        bytes[index] = index as u8;
        index += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(Token, Pos, SeqId)]) -> Batch {
        let mut batch = Batch::default();
        for &(token, position, sequence) in rows {
            batch.push(token, position, sequence, true);
        }
        batch
    }

    fn argmax(logits: &[f32]) -> Token {
        (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0) as Token
    }

    #[test]
    fn the_next_token_depends_on_the_whole_history_of_its_sequence_only() {
        let mut model = SyntheticBackend::new(Shape::default());
        model.decode(&batch(&[(65, 0, 0), (70, 0, 1), (66, 1, 0), (67, 2, 0)])).unwrap();
        assert_eq!(argmax(model.logits(3)), next_token(&[65, 66, 67], 0));
        assert_eq!(argmax(model.logits(1)), next_token(&[70], 0));
    }

    #[test]
    fn a_shift_leaves_what_a_fresh_computation_of_the_rest_would() {
        let mut model = SyntheticBackend::new(Shape::default());
        model.decode(&batch(&[(1, 0, 0), (2, 1, 0), (3, 2, 0), (4, 3, 0)])).unwrap();
        model.remove(0, 1, 3);
        model.shift(0, 3, 4, -2);
        model.decode(&batch(&[(5, 2, 0)])).unwrap();
        assert_eq!(argmax(model.logits(0)), next_token(&[1, 4, 5], 0));
        assert_eq!(model.used(), 3);
    }

    #[test]
    fn what_a_scheduler_must_never_ask_is_refused() {
        let mut model = SyntheticBackend::new(Shape { cells: 3, batch_rows: 4, sequences: 2, ..Shape::default() });
        let refused = DecodeError::Failed(REFUSED);
        let misplaced = DecodeError::Failed(MISPLACED);
        for (rows, error) in [
            (&[(1, 1, 0)][..], &misplaced),
            (&[(1, 0, 0), (1, 0, 0)], &misplaced),
            (&[(1, 0, 2)], &refused),
            (&[(-1, 0, 0)], &refused),
            (&[(9999, 0, 0)], &refused),
            (&[(1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0), (1, 4, 0)], &refused),
            (&[(1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0)], &DecodeError::NoRoom { rows: 4 }),
        ] {
            assert_eq!(model.decode(&batch(rows)).as_ref(), Err(error), "{rows:?}");
            assert_eq!(model.used(), 0);
        }
    }

    #[test]
    fn text_goes_through_tokens_and_back() {
        let vocabulary = SyntheticVocabulary;
        let tokens = vocabulary.tokenize("<s>añ</s>o", true, true).unwrap();
        assert_eq!(tokens.len(), 6);
        let text: Vec<u8> = tokens.iter().flat_map(|&token| vocabulary.piece_special(token).to_vec()).collect();
        assert_eq!(text, "<s>añ</s>o".as_bytes());
        assert_eq!(vocabulary.tokenize("<s>", false, true).unwrap(), [BEGIN, 60, 115, 62]);
    }
}
