//! Slots as monoio's buffers: the kernel reads the region's memory itself. The only file here that knows the runtime.

use std::ptr;

use libc::iovec;
use monoio::buf::{IoBuf, IoVecBuf};

use super::front::Slot;

/// A slot with the part of it that is still to be sent.
#[derive(Debug)]
pub struct SlotBuf {
    slot: Slot,
    sent: usize,
}

impl SlotBuf {
    /// The whole slot.
    pub fn new(slot: Slot) -> Self {
        Self { slot, sent: 0 }
    }

    /// What is still to be sent.
    pub fn rest(&self) -> &[u8] {
        &self.slot.bytes()[self.sent..]
    }

    /// Leaves out `count` more bytes, which have been sent.
    ///
    /// # Panics
    /// When that is more than the rest.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.rest().len(), "{count} bytes sent of {}", self.rest().len());
        self.sent += count;
    }

    /// Appends the rest to a spill, counted as in [`Slot::copy_from`].
    pub fn copy_to(&self, spill: &mut Vec<u8>) {
        self.slot.copy_from(self.sent, spill);
    }
}

// SAFETY: the pointer leads into the region, which stays mapped and in place while the slot lives, wherever the
// `SlotBuf` itself is moved; that many bytes were checked to be in the payload when the slot was taken.
unsafe impl IoBuf for SlotBuf {
    fn read_ptr(&self) -> *const u8 {
        self.rest().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.rest().len()
    }
}

/// Slots that one `writev` sends.
pub const BATCH_MAX: usize = 16;

/// Up to [`BATCH_MAX`] slots for one `writev`, to be used again and again: it allocates only when it is made.
#[derive(Debug)]
pub struct SlotBatch(Box<Batch>);

#[derive(Debug)]
struct Batch {
    slots: [Option<Slot>; BATCH_MAX],
    /// What is left of each slot; those in `first..end` are true.
    rests: [iovec; BATCH_MAX],
    first: usize,
    end: usize,
}

impl Default for SlotBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl SlotBatch {
    /// An empty batch.
    pub fn new() -> Self {
        let nothing = iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let slots = [const { None }; BATCH_MAX];
        Self(Box::new(Batch { slots, rests: [nothing; BATCH_MAX], first: 0, end: 0 }))
    }

    /// Adds a slot behind the others.
    ///
    /// # Errors
    /// Gives the slot back when [`BATCH_MAX`] were added since the batch was last empty.
    pub fn push(&mut self, buf: SlotBuf) -> Result<(), SlotBuf> {
        let batch = &mut *self.0;
        if batch.end == BATCH_MAX {
            return Err(buf);
        }
        let rest = buf.rest();
        batch.rests[batch.end] = iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
        batch.slots[batch.end] = Some(buf.slot);
        batch.end += 1;
        Ok(())
    }

    /// Leaves out `count` more bytes, which have been sent, and gives back the slots that are done.
    ///
    /// # Panics
    /// When that is more than the rest.
    pub fn advance(&mut self, mut count: usize) {
        let batch = &mut *self.0;
        while batch.first < batch.end {
            let rest = &mut batch.rests[batch.first];
            let step = count.min(rest.iov_len);
            rest.iov_base = rest.iov_base.wrapping_byte_add(step);
            rest.iov_len -= step;
            count -= step;
            if rest.iov_len > 0 {
                break;
            }
            batch.slots[batch.first] = None;
            batch.first += 1;
        }
        assert_eq!(count, 0, "more bytes sent than there were");
        if batch.first == batch.end {
            (batch.first, batch.end) = (0, 0);
        }
    }

    /// Bytes that are still to be sent.
    pub fn rest_bytes(&self) -> usize {
        self.0.rests[self.0.first..self.0.end].iter().map(|rest| rest.iov_len).sum()
    }

    /// Slots that are still held.
    pub fn len(&self) -> usize {
        self.0.end - self.0.first
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// SAFETY: the array of iovecs lies in the box, which stays in place while the batch is moved and cannot be changed
// while the runtime owns the batch. Entries `first..end` are true: each points to the rest of a slot that the batch
// holds, inside the region, which stays mapped as long as the slot lives.
unsafe impl IoVecBuf for SlotBatch {
    fn read_iovec_ptr(&self) -> *const iovec {
        self.0.rests[self.0.first..].as_ptr()
    }

    fn read_iovec_len(&self) -> usize {
        self.len()
    }
}
