//! The flag by which an engine without slots asks to be told when one comes back.
//!
//! The engine raises the flag and then looks at the free ring once more; the front frees a slot and then looks at the
//! flag. With a full fence between the two steps on both sides, at least one of them sees what the other did.

use std::sync::atomic::Ordering;

use super::ring::Word;

/// Engine: asks. The caller must look at the free ring afterwards, before it waits.
pub(super) fn raise<W: Word>(flag: &W) {
    flag.store(1, Ordering::Relaxed);
    // SYNC POINT: starved. Against the fence in `take`.
    W::fence(Ordering::SeqCst);
}

/// Front: whether the engine asked since the last call; the caller has just freed a slot.
pub(super) fn take<W: Word>(flag: &W) -> bool {
    // SYNC POINT: starved. Against the fence in `raise`.
    W::fence(Ordering::SeqCst);
    // A plain look first: the engine is hardly ever starved, and the line stays shared.
    flag.load(Ordering::Relaxed) != 0 && flag.swap(0, Ordering::Relaxed) != 0
}
