//! A context: the KV memory of a model, and decoding with it.

use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::model::Model;
use super::vocabulary::LlamaVocabulary;
use crate::engine::backend::{Backend, Batch, DecodeError, Facts, Pos, SeqId, Vocabulary};

/// `llama_decode`: no free cells for the batch, nothing was computed.
const NO_ROOM: i32 = 1;
/// `llama_decode`: the batch is malformed (a token, a sequence or a position that cannot be), nothing was computed.
const MALFORMED: i32 = -1;

/// A model on its device with one unified pool of KV cells.
#[derive(Debug)]
pub struct LlamaBackend {
    context: Context,
    rows: Rows,
    vocabulary: Arc<LlamaVocabulary>,
    facts: Facts,
}

/// Owns llama.cpp's context. The model is freed after it: `Drop` runs before the fields are dropped.
#[derive(Debug)]
pub(super) struct Context {
    pointer: NonNull<sys::llama_context>,
    /// llama.cpp's context borrows the model.
    _model: Arc<Model>,
}

// SAFETY: llama.cpp does not tie a context to a thread, as long as one thread at a time uses it: every call goes through
// `&mut self` or through `&self` of a value that is not `Sync`.
unsafe impl Send for Context {}

impl Context {
    /// Makes a context; `None` if llama.cpp cannot, for which its log has the reason.
    /// Two at a time on one model are unsound: the loader's lock is held.
    pub(super) fn new(model: Arc<Model>, parameters: sys::llama_context_params) -> Option<Self> {
        // SAFETY: the model is loaded and kept alive by `_model`; llama.cpp catches its own exceptions in here.
        let pointer = unsafe { sys::llama_init_from_model(model.as_ptr(), parameters) };
        Some(Self { pointer: NonNull::new(pointer)?, _model: model })
    }

    fn as_ptr(&self) -> *mut sys::llama_context {
        self.pointer.as_ptr()
    }

    /// The KV memory; llama.cpp's functions take a null (a model without one) as "nothing to do".
    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: reads a pointer that the context owns.
        unsafe { sys::llama_get_memory(self.as_ptr()) }
    }

    /// Cells of the pool: llama.cpp rounds up what was asked for.
    pub(super) fn cells(&self) -> u32 {
        // SAFETY: reads a number of the context.
        unsafe { sys::llama_n_ctx(self.as_ptr()) }
    }

    /// Most rows in one batch: never more than cells.
    pub(super) fn batch_rows(&self) -> usize {
        // SAFETY: reads a number of the context.
        unsafe { sys::llama_n_batch(self.as_ptr()) as usize }
    }

    /// Whether positions can be shifted.
    pub(super) fn can_shift(&self) -> bool {
        // SAFETY: the memory belongs to this context; a null is allowed.
        unsafe { sys::llama_memory_can_shift(self.memory()) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours alone, and the model is still alive.
        unsafe { sys::llama_free(self.as_ptr()) };
    }
}

/// The arrays that llama.cpp reads a batch from. Their memory is kept from step to step.
#[derive(Debug)]
struct Rows {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    sequences: Vec<sys::llama_seq_id>,
    /// Where each row's sequences are: one entry of `sequences`. Filled anew for each step.
    sequence_pointers: Vec<*mut sys::llama_seq_id>,
    /// Always 1.
    sequence_counts: Vec<i32>,
    wants_logits: Vec<i8>,
}

// SAFETY: the pointers lead into `sequences` of the same value, whose heap memory moves with it, and are read only
// during a `decode`, which has filled them itself.
unsafe impl Send for Rows {}

impl Rows {
    fn new(rows: usize) -> Self {
        Self {
            tokens: Vec::with_capacity(rows),
            positions: Vec::with_capacity(rows),
            sequences: Vec::with_capacity(rows),
            sequence_pointers: Vec::with_capacity(rows),
            sequence_counts: vec![1; rows],
            wants_logits: Vec::with_capacity(rows),
        }
    }

    /// Copies `batch` and describes it for llama.cpp. The pointers in the result lead into `self`.
    fn describe(&mut self, batch: &Batch, facts: &Facts) -> sys::llama_batch {
        let count = batch.len();
        // The first two are memory safety, the others would abort inside llama.cpp: all are the scheduler's mistakes.
        assert!(count <= self.sequence_counts.len(), "a batch of {count} rows is too large");
        let lengths = [batch.positions.len(), batch.sequences.len(), batch.wants_logits.len()];
        assert_eq!(lengths, [count; 3], "the columns of a batch are of one length");
        let outputs = batch.wants_logits.iter().filter(|&&wanted| wanted).count();
        assert!(outputs <= facts.sequences, "logits of {outputs} rows are too many");

        self.tokens.clone_from(&batch.tokens);
        self.positions.clone_from(&batch.positions);
        self.sequences.clone_from(&batch.sequences);
        self.wants_logits.clear();
        self.wants_logits.extend(batch.wants_logits.iter().map(|&wanted| i8::from(wanted)));
        self.sequence_pointers.clear();
        self.sequence_pointers.extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: count as i32,
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.sequence_counts.as_mut_ptr(),
            seq_id: self.sequence_pointers.as_mut_ptr(),
            logits: self.wants_logits.as_mut_ptr(),
        }
    }
}

impl LlamaBackend {
    pub(super) fn new(context: Context, vocabulary: Arc<LlamaVocabulary>, facts: Facts) -> Self {
        Self { rows: Rows::new(facts.batch_rows), context, vocabulary, facts }
    }

    /// Forgets what a failed step may have left: llama.cpp undoes only the part of a batch that failed, not those before.
    /// A recurrent state cannot be taken back; the sequence is then as lost as the step, and has to be removed whole.
    fn undo(&mut self, batch: &Batch) {
        for (row, &sequence) in batch.sequences.iter().enumerate() {
            if !batch.sequences[..row].contains(&sequence) {
                self.remove(sequence, batch.positions[row], -1);
            }
        }
    }

    fn check_sequence(&self, sequence: SeqId) {
        let known = usize::try_from(sequence).is_ok_and(|id| id < self.facts.sequences);
        assert!(known, "sequence {sequence} does not exist");
    }
}

impl Backend for LlamaBackend {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }

    /// Positions of a sequence go up by one from row to row and from step to step (llama.cpp refuses a batch otherwise).
    /// At most [`Facts::sequences`] rows may ask for logits.
    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        if batch.is_empty() {
            return Ok(());
        }
        let described = self.rows.describe(batch, &self.facts);
        // SAFETY: the arrays of `described` are as long as it says, live in `self.rows`, and are only read; llama.cpp
        // checks tokens, sequences and positions itself and refuses the batch.
        match unsafe { sys::llama_decode(self.context.as_ptr(), described) } {
            0 => Ok(()),
            NO_ROOM => Err(DecodeError::NoRoom { rows: batch.len() }),
            MALFORMED => Err(DecodeError::Failed(MALFORMED)),
            status => {
                self.undo(batch);
                Err(DecodeError::Failed(status))
            }
        }
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        let index = i32::try_from(row).unwrap_or(i32::MAX);
        // SAFETY: llama.cpp checks the index (null if that row has no logits) and waits for the device.
        let start = unsafe { sys::llama_get_logits_ith(self.context.as_ptr(), index) };
        assert!(!start.is_null(), "row {row} did not ask for logits");
        // SAFETY: a row has one number for each token. It is the context's own memory, which nothing writes or frees
        // before the next decode, and that needs `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(start, self.facts.vocabulary) }
    }

    fn remove(&mut self, sequence: SeqId, from: Pos, to: Pos) {
        self.check_sequence(sequence);
        // SAFETY: the memory is this context's, and the sequence is one of its own.
        let removed = unsafe { sys::llama_memory_seq_rm(self.context.memory(), sequence, from, to) };
        if !removed {
            tracing::warn!(sequence, from, to, "a recurrent model cannot forget a part of a sequence");
        }
    }

    fn shift(&mut self, sequence: SeqId, from: Pos, to: Pos, delta: Pos) {
        self.check_sequence(sequence);
        assert!(self.facts.can_shift, "this model cannot shift positions");
        // SAFETY: the memory is this context's, the sequence is one of its own, and its kind can shift.
        unsafe { sys::llama_memory_seq_add(self.context.memory(), sequence, from, to, delta) };
    }
}
