//! Both sides of a region in one process, and what the tests of this room do with them.
//!
//! Under the address sanitizer, in a target folder of its own: `RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
//! cargo test --release --no-default-features --target x86_64-unknown-linux-gnu --lib stream -- --skip through_a_socket`
//! (monoio 0.2.4 leaks 24 bytes with each of its drivers, and the sanitizer counts them).

mod events;
mod hostile;
#[cfg(loom)]
mod interleavings;
mod oracle;
mod regions;
mod replies;
mod sending;
mod threads;

use std::sync::Arc;

use super::back::Outbox;
use super::front::{CoreFront, Slot};
use super::region::Region;
use super::slot::{SlotHead, Violation};
use super::wake::Eventfd;
use crate::engine::wire::{Framing, StreamKey};

/// One core's two sides.
struct Rig {
    region: Arc<Region>,
    out: Outbox,
    front: CoreFront,
}

impl Rig {
    fn new() -> Self {
        let region = Region::create(1).unwrap();
        let out = Outbox::new(&region, vec![Eventfd::new().unwrap()]);
        let front = CoreFront::new(Arc::clone(&region), 0);
        Self { region, out, front }
    }

    /// Sends a slot with this payload; false when none is free.
    fn send(&mut self, payload: &[u8]) -> bool {
        let Some(mut slot) = self.out.slot(0) else { return false };
        slot.payload()[..payload.len()].copy_from_slice(payload);
        slot.commit(head(7, payload.len()));
        true
    }

    /// Everything that has been published.
    fn drain(&self) -> Result<Vec<Slot>, Violation> {
        let mut slots = Vec::new();
        self.front.drain(|_, slot| slots.push(slot))?;
        Ok(slots)
    }

    /// What has been published for one reply: its heads and its bytes.
    fn reply(&self, key: StreamKey) -> (Vec<SlotHead>, Vec<u8>) {
        let (mut heads, mut bytes) = (Vec::new(), Vec::new());
        self.front
            .drain(|stream, slot| {
                assert_eq!(stream, key);
                heads.push(slot.head());
                bytes.extend_from_slice(slot.bytes());
            })
            .unwrap();
        (heads, bytes)
    }
}

/// Head of a slot in the middle of a reply.
fn head(stream: StreamKey, len: usize) -> SlotHead {
    SlotHead { stream, len: len as u32, status: 200, framing: Framing::Chunked, flags: 0, body_bytes: 0 }
}
