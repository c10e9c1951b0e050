//! A ring of `u32` from one writer to one reader, over words that both can reach.
//!
//! It carries slot numbers, of which there are as many as it has cells, and a number is in one place at a time. So it
//! cannot overflow, and the writer need not know how far the reader is: before it writes the same cell again it has
//! got a number back which the reader had taken from that cell or a later one. Only the tail is shared.
//!
//! Loom checks this with two slots, in `tests/interleavings.rs`:
//! `RUSTFLAGS="--cfg loom -C target-cpu=native" cargo test --release --no-default-features --lib interleavings`.

use std::sync::atomic::{AtomicU32, Ordering};

use super::cursor::{Cursor, TailOutOfRange, cell};

/// An atomic word: the standard library's, or loom's in its test.
pub(super) trait Word {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    fn swap(&self, value: u32, order: Ordering) -> u32;
    fn fence(order: Ordering);
}

impl Word for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }
    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        AtomicU32::swap(self, value, order)
    }
    fn fence(order: Ordering) {
        std::sync::atomic::fence(order);
    }
}

/// Where a ring's words lie.
pub(super) trait Cells {
    type Word: Word;
    /// Number of cells, a power of two.
    fn capacity(&self) -> u32;
    /// Entries written since the start, modulo 2^32.
    fn tail(&self) -> &Self::Word;
    /// A cell below the capacity.
    fn cell(&self, index: u32) -> &Self::Word;
}

/// The writing end. Made once per ring.
#[derive(Debug)]
pub(super) struct Producer<C> {
    cells: C,
    /// Our own copy of the tail: what the other side writes there does not reach us.
    tail: u32,
}

impl<C: Cells> Producer<C> {
    /// Of a new ring, whose words are all 0.
    pub(super) fn new(cells: C) -> Self {
        Self::starting_at(cells, 0)
    }

    /// Of a ring whose first entry is to have this position.
    pub(super) fn starting_at(cells: C, tail: u32) -> Self {
        Self { cells, tail }
    }

    /// Appends a value and shows it to the reader, with everything that was written before.
    pub(super) fn push(&mut self, value: u32) {
        let index = cell(self.tail, self.cells.capacity());
        self.cells.cell(index).store(value, Ordering::Relaxed);
        self.tail = self.tail.wrapping_add(1);
        // SYNC POINT: entries. Read by `Consumer::pop`.
        self.cells.tail().store(self.tail, Ordering::Release);
    }

    /// The words, for what lies beside the ring.
    pub(super) fn cells(&self) -> &C {
        &self.cells
    }
}

/// The reading end. Made once per ring.
#[derive(Debug)]
pub(super) struct Consumer<C> {
    cells: C,
    cursor: Cursor,
}

impl<C: Cells> Consumer<C> {
    /// Of a new ring. What the other side has written since then is read too.
    pub(super) fn new(cells: C) -> Self {
        Self::starting_at(cells, 0)
    }

    /// Of a ring whose first entry has this position.
    pub(super) fn starting_at(cells: C, head: u32) -> Self {
        let cursor = Cursor::new(cells.capacity(), head);
        Self { cells, cursor }
    }

    /// Takes the oldest entry, if there is one. Looks at the shared tail only when all known entries are read.
    ///
    /// # Errors
    /// When the tail is not one that this ring can have. Nothing is taken then.
    pub(super) fn pop(&mut self) -> Result<Option<u32>, TailOutOfRange> {
        if self.cursor.known() == 0 {
            // SYNC POINT: entries. Written by `Producer::push`.
            self.cursor.learn(self.cells.tail().load(Ordering::Acquire))?;
        }
        let Some(index) = self.cursor.peek() else { return Ok(None) };
        let value = self.cells.cell(index).load(Ordering::Relaxed);
        self.cursor.advance();
        Ok(Some(value))
    }

    /// The words, for what lies beside the ring.
    pub(super) fn cells(&self) -> &C {
        &self.cells
    }
}
