//! What one step asks of the backend.

use crate::engine::backend::{Backend, Batch, Pos, SeqId};
use crate::engine::sequence::RequestId;

/// A change of KV memory, to be made before the batch is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Forget positions `from..to` of a sequence (`to` < 0: to the end).
    Remove {
        /// Which sequence.
        sequence: SeqId,
        /// First position that goes.
        from: Pos,
        /// First position that stays, or below 0.
        to: Pos,
    },
    /// Move positions `from..to` of a sequence by `delta`.
    Shift {
        /// Which sequence.
        sequence: SeqId,
        /// First position that moves.
        from: Pos,
        /// First position that does not.
        to: Pos,
        /// By how much; below 0 towards the front.
        delta: Pos,
    },
}

impl Op {
    /// Makes the change.
    pub fn apply(self, backend: &mut dyn Backend) {
        match self {
            Self::Remove { sequence, from, to } => backend.remove(sequence, from, to),
            Self::Shift { sequence, from, to, delta } => backend.shift(sequence, from, to, delta),
        }
    }
}

/// A row of the batch whose logits are to be sampled: the row with which a sequence has caught up. Rows in the middle
/// of a prompt never get one of these, so they cannot be sampled by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Index of the row in the batch.
    pub row: usize,
    /// Whose token comes out of it.
    pub request: RequestId,
    /// The sequence that this request has for now.
    pub sequence: SeqId,
}

/// One step: first `ops`, in order, then `batch`, then a token for each of `ready`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes of KV memory.
    pub ops: Vec<Op>,
    /// Rows to compute.
    pub batch: Batch,
    /// Rows to sample, in the batch's order.
    pub ready: Vec<Ready>,
    /// Requests that left the queue in this step, in order; some of them for the second time.
    pub admitted: Vec<RequestId>,
    /// Requests that went back to the front of the queue because the pool ran dry, in order.
    pub preempted: Vec<RequestId>,
}

impl Plan {
    /// Whether there is nothing to do: nothing changes until a request comes, goes, or is resumed.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.batch.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.ops.clear();
        self.batch.clear();
        self.ready.clear();
        self.admitted.clear();
        self.preempted.clear();
    }
}
