//! Counts of what sequences share: the cells of the KV pool and the sequence ids.
//!
//! Every cell that is taken or given back goes through [`Cells`], so that sharing cells between sequences changes
//! this file and not the scheduler.

use crate::engine::backend::SeqId;

/// Cells of the KV pool. One token of one sequence takes one cell.
#[derive(Debug, Clone)]
pub struct Cells {
    total: usize,
    used: usize,
}

impl Cells {
    /// A pool in which nothing is used.
    pub fn new(total: usize) -> Self {
        Self { total, used: 0 }
    }

    /// Cells of the pool.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Cells in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Cells that are free.
    pub fn free(&self) -> usize {
        self.total - self.used
    }

    /// Takes up to `wanted` cells and says how many there were.
    pub fn take(&mut self, wanted: usize) -> usize {
        let taken = wanted.min(self.free());
        self.used += taken;
        taken
    }

    /// Gives cells back. Giving back more than were taken is a mistake of the scheduler; the count stops at zero and
    /// its integrity check tells.
    pub fn give(&mut self, count: usize) {
        self.used = self.used.saturating_sub(count);
    }
}

/// The sequence ids that are free. The lowest goes out first: llama.cpp's cost grows with the highest in use.
#[derive(Debug, Clone)]
pub struct SequenceIds {
    /// In descending order, so that the lowest is at the end.
    free: Vec<SeqId>,
}

impl SequenceIds {
    /// The ids `0..total`, all free.
    pub fn new(total: usize) -> Self {
        Self { free: (0..total as SeqId).rev().collect() }
    }

    /// Takes the lowest free id.
    pub fn take(&mut self) -> Option<SeqId> {
        self.free.pop()
    }

    /// Gives an id back.
    pub fn give(&mut self, id: SeqId) {
        let place = self.free.partition_point(|&other| other > id);
        self.free.insert(place, id);
    }

    /// The free ids, highest first.
    pub fn free(&self) -> &[SeqId] {
        &self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_never_go_below_none_or_above_all() {
        let mut cells = Cells::new(5);
        assert_eq!((cells.take(3), cells.take(4), cells.take(1)), (3, 2, 0));
        cells.give(4);
        assert_eq!((cells.used(), cells.free()), (1, 4));
    }

    #[test]
    fn the_lowest_id_goes_out_first_whatever_order_they_come_back() {
        let mut ids = SequenceIds::new(3);
        assert_eq!((ids.take(), ids.take(), ids.take(), ids.take()), (Some(0), Some(1), Some(2), None));
        ids.give(2);
        ids.give(0);
        assert_eq!((ids.take(), ids.take(), ids.take()), (Some(0), Some(2), None));
    }
}
