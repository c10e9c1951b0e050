//! Sequences that left, whose cells are still occupied.
//!
//! llama.cpp puts a token into the first free cell behind the last one it gave out, but starts again from the lowest
//! free cell whenever some are freed; and attention adds up in the order of the cells. A sequence that runs while others
//! leave would thus see its tokens added up in another order than alone, and now and then write another token. So
//! cells are given back when nobody runs, when they are needed, or when they have become too many: each one costs a look
//! at its mask in every row.

use super::cells::SequenceIds;
use super::plan::{Op, Plan};
use crate::engine::backend::SeqId;

/// Their ids, which nobody else may have yet, and the number of their cells.
#[derive(Debug, Clone)]
pub struct Departed {
    ids: Vec<SeqId>,
    cells: usize,
    limit: usize,
}

impl Departed {
    /// None; full with more than `limit` cells.
    pub fn new(limit: usize) -> Self {
        Self { ids: Vec::new(), cells: 0, limit }
    }

    /// Cells that are still occupied.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The ids that are still in use for it.
    pub fn ids(&self) -> &[SeqId] {
        &self.ids
    }

    /// Whether there are more cells than the limit.
    pub fn is_full(&self) -> bool {
        self.cells > self.limit
    }

    /// Adds a sequence that had `cells` of them.
    pub fn add(&mut self, id: SeqId, cells: usize) {
        self.ids.push(id);
        self.cells += cells;
    }

    /// Removes all of them in `plan`, and gives their ids back.
    pub fn remove(&mut self, plan: &mut Plan, free: &mut SequenceIds) {
        for id in self.ids.drain(..) {
            plan.ops.push(Op::Remove { sequence: id, from: 0, to: -1 });
            free.give(id);
        }
        self.cells = 0;
    }
}
