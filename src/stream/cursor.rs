//! The arithmetic of a ring, apart from its atomics.

/// The tail that the other side wrote is not one that this ring can have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TailOutOfRange {
    /// Entries that it would make.
    pub(super) distance: u32,
}

/// The reader's place in a ring. Positions count entries since the start and wrap at 2^32; an entry's cell is its
/// position modulo the capacity, a power of two.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Next position to read.
    head: u32,
    /// Tail as last seen: positions `head..tail` may be read.
    tail: u32,
    capacity: u32,
}

impl Cursor {
    /// At position `start` of an empty ring.
    pub(super) fn new(capacity: u32, start: u32) -> Self {
        let cursor = Self { head: start, tail: start, capacity };
        cursor.invariants();
        cursor
    }

    /// Entries that may be read without looking at the shared tail.
    pub(super) fn known(&self) -> u32 {
        self.invariants();
        self.tail.wrapping_sub(self.head)
    }

    /// Takes over a tail read from shared memory.
    ///
    /// # Errors
    /// When it lies further ahead than the ring is long (a step back looks the same). The cursor stays as it was.
    pub(super) fn learn(&mut self, tail: u32) -> Result<(), TailOutOfRange> {
        self.invariants();
        let distance = tail.wrapping_sub(self.head);
        if distance > self.capacity {
            return Err(TailOutOfRange { distance });
        }
        self.tail = tail;
        Ok(())
    }

    /// Cell of the next entry, if one is known.
    pub(super) fn peek(&self) -> Option<u32> {
        (self.known() > 0).then(|| cell(self.head, self.capacity))
    }

    /// Leaves the entry that [`Cursor::peek`] named; there must be one.
    pub(super) fn advance(&mut self) {
        self.head = self.head.wrapping_add(1);
        self.invariants();
    }

    /// Checked in tests, at the start of every method: they are built without debug assertions, like the binary.
    fn invariants(&self) {
        if cfg!(test) {
            assert!(self.capacity.is_power_of_two());
            assert!(self.tail.wrapping_sub(self.head) <= self.capacity);
        }
    }
}

/// Cell of a position.
pub(super) fn cell(position: u32, capacity: u32) -> u32 {
    position & (capacity - 1)
}
