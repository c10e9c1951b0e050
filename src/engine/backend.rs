//! What the scheduler and the inference thread ask of a model on a device.
//!
//! llama.cpp stands behind it (`ffi`), and a synthetic model that needs no weights (`synthetic`): tests, benches and
//! simulations run on that one.

use std::path::PathBuf;
use std::sync::Arc;

use super::kv::KvCache;

/// An entry of the vocabulary.
pub type Token = i32;
/// A position in a sequence, from 0.
pub type Pos = i32;
/// A sequence in the KV memory, below [`Facts::sequences`].
pub type SeqId = i32;

/// What a loaded model and its context can do. Fixed for the life of the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Entries of the vocabulary: the length of a row of logits.
    pub vocabulary: usize,
    /// Context length that the model was trained with, in tokens.
    pub trained_context: u32,
    /// Cells of the KV pool that all sequences share.
    pub cells: u32,
    /// Most rows in one batch.
    pub batch_rows: usize,
    /// Most rows of a batch in which each row's logits are the same whatever other rows there are, as far as the kernels
    /// go; [`Facts::batch_rows`] where there is no such limit.
    pub plain_rows: usize,
    /// Sequence ids that may be in use at once.
    pub sequences: usize,
    /// Whether positions can be shifted (context shift).
    pub can_shift: bool,
    /// Weights, KV and compute buffers together, in bytes.
    pub bytes: u64,
    /// How many of `bytes` lie on a GPU.
    pub gpu_bytes: u64,
}

/// One decode step: rows in the order in which they are computed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Token of each row.
    pub tokens: Vec<Token>,
    /// Position of each row in its sequence.
    pub positions: Vec<Pos>,
    /// Sequence of each row.
    pub sequences: Vec<SeqId>,
    /// Whether the row's logits are wanted.
    pub wants_logits: Vec<bool>,
}

impl Batch {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.wants_logits.clear();
    }

    /// Adds a row.
    pub fn push(&mut self, token: Token, position: Pos, sequence: SeqId, wants_logits: bool) {
        self.tokens.push(token);
        self.positions.push(position);
        self.sequences.push(sequence);
        self.wants_logits.push(wants_logits);
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// No room for the batch in the KV pool. The scheduler's count should make this impossible.
    #[error("the KV pool has no room for a batch of {rows} tokens")]
    NoRoom {
        /// Rows of the batch.
        rows: usize,
    },
    /// The device or the model failed.
    #[error("decoding failed with status {0}")]
    Failed(i32),
}

/// A model on a device together with its KV memory. Owned by the inference thread.
pub trait Backend: Send {
    /// What it can do.
    fn facts(&self) -> &Facts;

    /// The part that any thread may use.
    fn vocabulary(&self) -> Arc<dyn Vocabulary>;

    /// Computes a batch of at most [`Facts::batch_rows`] rows.
    ///
    /// # Errors
    /// When the pool has no room, or the device failed. The batch then had no effect.
    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError>;

    /// Logits of row `row` of the last batch, [`Facts::vocabulary`] numbers; it must have asked for them.
    /// The row may be changed in place: sampling does.
    fn logits(&mut self, row: usize) -> &mut [f32];

    /// Forgets positions `from..to` of a sequence (`to` < 0: to the end).
    fn remove(&mut self, sequence: SeqId, from: Pos, to: Pos);

    /// Moves positions `from..to` of a sequence by `delta`. Only where [`Facts::can_shift`].
    fn shift(&mut self, sequence: SeqId, from: Pos, to: Pos, delta: Pos);
}

/// Tokens and text. Shared by the inference thread and the workers.
pub trait Vocabulary: Send + Sync {
    /// Splits `text` into tokens. `special`: control tokens written in the text become such tokens.
    /// `bos`: put the beginning-of-sequence token in front if the model wants one.
    ///
    /// # Errors
    /// When the text is longer than the tokenizer takes (2^31 bytes).
    fn tokenize(&self, text: &str, special: bool, bos: bool) -> Result<Vec<Token>, TokenizeError>;

    /// The bytes of a token as they appear in an answer: nothing for control tokens, part of a character at times.
    fn piece(&self, token: Token) -> &[u8];

    /// The bytes of a token with control tokens spelled out (the `context` of a generate, logprobs).
    fn piece_special(&self, token: Token) -> &[u8];

    /// Whether the token ends an answer.
    fn is_end(&self, token: Token) -> bool;

    /// Number of tokens.
    fn len(&self) -> usize;

    /// Whether the vocabulary is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chat template that the model file carries.
    fn chat_template(&self) -> Option<&str>;

    /// The control tokens around what is to be filled in, spelled out: in front of the text before the gap, of the text
    /// behind it, and of the answer. `None`: the model has none.
    fn fill_in_texts(&self) -> Option<[&str; 3]> {
        None
    }

    /// Text of the beginning-of-sequence token, empty if there is none (templates print it).
    fn bos_text(&self) -> &str;

    /// Text of the end-of-sequence token, empty if there is none.
    fn eos_text(&self) -> &str;
}

/// Why text could not be tokenized.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a text of {bytes} bytes cannot be tokenized")]
pub struct TokenizeError {
    /// Length of the text.
    pub bytes: usize,
}

/// How to put a model on a device: the loader's options (the behaviour page, section 2.8), resolved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LoadPlan {
    /// The GGUF blob.
    pub path: PathBuf,
    /// Cells of the KV pool.
    pub cells: u32,
    /// Most rows in one batch.
    pub batch_rows: u32,
    /// Layers on the GPU; below 0: all.
    pub gpu_layers: i32,
    /// Index of the GPU that takes a model which is not split.
    pub main_gpu: Option<i32>,
    /// Map the file instead of reading it.
    pub mmap: bool,
    /// Threads of the CPU backend; 0: one per core.
    pub threads: u32,
    /// What the KV memory is made of.
    pub cache: KvCache,
}
