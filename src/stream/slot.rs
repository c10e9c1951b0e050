//! What a slot says about itself, and how the other side can break the rules.

use std::sync::atomic::{AtomicU64, Ordering};

pub use super::layout::PAYLOAD_BYTES;
use crate::engine::wire::{Framing, StreamKey};

/// The head of a slot: which reply its payload belongs to, and what the core has to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotHead {
    /// The reply.
    pub stream: StreamKey,
    /// Bytes of payload, at most [`PAYLOAD_BYTES`].
    pub len: u32,
    /// HTTP status of the reply, 100 to 599. Has a meaning on its first slot only.
    pub status: u16,
    /// How the reply's bytes are put on the connection; the payload has its chunk lines already.
    pub framing: Framing,
    /// [`SlotHead::FIRST`], [`SlotHead::LAST`] and [`SlotHead::REFUSED`].
    pub flags: u8,
    /// Length of the whole body: on the first slot of a [`Framing::Whole`] reply; elsewhere 0.
    pub body_bytes: u64,
}

impl SlotHead {
    /// Flag: the reply begins here.
    pub const FIRST: u8 = 1;
    /// Flag: nothing of this reply comes after this slot.
    pub const LAST: u8 = 2;
    /// Flag: the reply refuses its request, before anything was computed for it.
    pub const REFUSED: u8 = 4;

    /// Whether the reply begins here.
    pub fn is_first(&self) -> bool {
        self.flags & Self::FIRST != 0
    }

    /// Whether the reply ends here.
    pub fn is_last(&self) -> bool {
        self.flags & Self::LAST != 0
    }

    /// Whether the reply refuses its request.
    pub fn is_refused(&self) -> bool {
        self.flags & Self::REFUSED != 0
    }

    /// Writes the head into its place. Made visible to the other side by publishing the slot's number.
    pub(super) fn store(&self, words: &[AtomicU64; 4]) {
        let framing = match self.framing {
            Framing::Chunked => 0_u64,
            Framing::Bare => 1,
            Framing::Whole => 2,
        };
        let packed = self.len as u64 | (self.status as u64) << 32 | framing << 48 | (self.flags as u64) << 56;
        words[0].store(self.stream, Ordering::Relaxed);
        words[1].store(packed, Ordering::Relaxed);
        words[2].store(self.body_bytes, Ordering::Relaxed);
    }

    /// Reads a head that the other side wrote: each word once, then checked.
    ///
    /// # Errors
    /// When a field has a value that no engine of ours writes.
    pub(super) fn load(words: &[AtomicU64; 4]) -> Result<Self, Violation> {
        let stream = words[0].load(Ordering::Relaxed);
        let packed = words[1].load(Ordering::Relaxed);
        let body_bytes = words[2].load(Ordering::Relaxed);
        let (len, status, flags) = (packed as u32, (packed >> 32) as u16, (packed >> 56) as u8);
        let framing = match (packed >> 48) as u8 {
            0 => Framing::Chunked,
            1 => Framing::Bare,
            2 => Framing::Whole,
            other => return Err(Violation::Framing(other)),
        };
        if len as usize > PAYLOAD_BYTES {
            return Err(Violation::Length(len));
        }
        if flags & !(Self::FIRST | Self::LAST | Self::REFUSED) != 0 {
            return Err(Violation::Flags(flags));
        }
        if flags & Self::FIRST != 0 && !(100..600).contains(&status) {
            return Err(Violation::Status(status));
        }
        Ok(Self { stream, len, status, framing, flags, body_bytes })
    }
}

/// What the other side of a region did that it must not do. The region is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A ring's tail is further ahead than the ring is long.
    #[error("a ring claims to hold {0} entries, more than it has cells")]
    Tail(u32),
    /// A slot number beyond the last slot.
    #[error("slot {0} does not exist")]
    Number(u32),
    /// A slot that this side already holds was handed over again.
    #[error("slot {0} was handed over twice")]
    Twice(u32),
    /// A length beyond the payload.
    #[error("a slot claims {0} bytes, more than it has")]
    Length(u32),
    /// An unknown framing.
    #[error("a slot has the unknown framing {0}")]
    Framing(u8),
    /// Unknown flags.
    #[error("a slot has the unknown flags {0:#04x}")]
    Flags(u8),
    /// A first slot whose status is not one of HTTP.
    #[error("a reply begins with status {0}, which is not one of HTTP")]
    Status(u16),
}
