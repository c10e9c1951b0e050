//! The replies that a core waits for or sends: where a frame from the engine finds its connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use slab::Slab;

use super::cell::ConnCell;
use crate::config::limits::{SLOTS_PER_STREAM_MAX, SPILL_BYTES, STREAMS_PER_CORE_MAX};
use crate::engine::wire::StreamKey;
use crate::stream::front::Slot;

/// What has come from the engine for one reply and is not yet sent.
#[derive(Default)]
pub struct Inflow {
    /// Slots in order: sent from their own memory. Older than everything in `spill`.
    pub slots: VecDeque<Slot>,
    /// Copies of what came while the client held its share of slots: sent when `slots` is empty.
    spill: Vec<u8>,
    /// True exactly when the spilled part ends with the reply's last slot.
    spill_is_last: bool,
    /// True exactly when the engine was asked to pause and not yet to go on.
    pub paused: bool,
    /// Slots that came while the spill was full: behind it. The engine was asked to pause by then.
    late: VecDeque<Slot>,
    /// The engine went away before the last slot, and this is what to tell the client.
    pub broken: Option<&'static str>,
}

impl Inflow {
    /// Whether there is anything to do for the connection.
    pub fn has_news(&self) -> bool {
        !self.slots.is_empty() || !self.spill.is_empty() || self.broken.is_some()
    }

    /// Whether anything was spilled.
    pub fn has_spill(&self) -> bool {
        !self.spill.is_empty()
    }

    /// Takes the spill out, whose turn comes when no slots are left before it, and whether it ends the reply.
    pub fn take_spill(&mut self) -> (Vec<u8>, bool) {
        debug_assert!(self.slots.is_empty());
        std::mem::swap(&mut self.slots, &mut self.late);
        (std::mem::take(&mut self.spill), self.spill_is_last)
    }

    /// Takes a slot in. `true`: the engine shall pause this sequence.
    fn put(&mut self, slot: Slot) -> bool {
        // Once something is spilled, what comes after it must queue behind it.
        if self.spill.is_empty() && self.slots.len() < SLOTS_PER_STREAM_MAX {
            self.slots.push_back(slot);
            return false;
        }
        if self.spill.len() + slot.bytes().len() > SPILL_BYTES || !self.late.is_empty() {
            self.late.push_back(slot);
            return false;
        }
        slot.copy_to(&mut self.spill);
        self.spill_is_last |= slot.head().is_last();
        let pause = !self.paused && self.spill.len() > SPILL_BYTES / 2;
        self.paused |= pause;
        pause
    }
}

/// One reply, shared by its connection and the core's table.
pub struct Reply {
    /// Its name.
    pub key: StreamKey,
    /// What came in.
    pub inflow: RefCell<Inflow>,
    /// Its connection.
    cell: Rc<ConnCell>,
}

/// All replies of a core. A key holds the place in the table in its lower half and a count that
/// never repeats in its upper half, so that a late frame of an earlier reply finds nothing.
#[derive(Default)]
pub struct Replies {
    table: Slab<Rc<Reply>>,
    opened: u32,
}

impl Replies {
    /// Opens a reply for a connection; `None` when the core has as many as it may.
    pub fn open(&mut self, cell: &Rc<ConnCell>) -> Option<Rc<Reply>> {
        if self.table.len() >= STREAMS_PER_CORE_MAX {
            return None;
        }
        self.opened = self.opened.wrapping_add(1);
        let entry = self.table.vacant_entry();
        let key = (u64::from(self.opened) << 32) | entry.key() as u64;
        let inflow = RefCell::new(Inflow { slots: VecDeque::with_capacity(SLOTS_PER_STREAM_MAX), ..Inflow::default() });
        Some(entry.insert(Rc::new(Reply { key, inflow, cell: cell.clone() })).clone())
    }

    /// Forgets a reply; frames that still come for it are dropped.
    pub fn close(&mut self, key: StreamKey) {
        if self.get(key).is_some() {
            self.table.remove((key & u64::from(u32::MAX)) as usize);
        }
    }

    /// Whether no reply is open.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether this reply is still wanted.
    pub fn is_open(&self, key: StreamKey) -> bool {
        self.get(key).is_some()
    }

    fn get(&self, key: StreamKey) -> Option<&Rc<Reply>> {
        self.table.get((key & u64::from(u32::MAX)) as usize).filter(|reply| reply.key == key)
    }

    /// Hands a slot to its connection. `true`: the engine shall pause this sequence.
    pub fn deliver(&self, key: StreamKey, slot: Slot) -> bool {
        let Some(reply) = self.get(key) else { return false };
        let pause = reply.inflow.borrow_mut().put(slot);
        reply.cell.wake();
        pause
    }

    /// Tells every reply but those in `spared` that the engine has gone.
    pub fn break_all_but(&self, spared: &[StreamKey], why: &'static str) {
        for (_, reply) in self.table.iter().filter(|(_, reply)| !spared.contains(&reply.key)) {
            reply.inflow.borrow_mut().broken.get_or_insert(why);
            reply.cell.wake();
        }
    }

    /// Tells one reply that the engine will not answer it.
    pub fn break_one(&self, key: StreamKey, why: &'static str) {
        if let Some(reply) = self.get(key) {
            reply.inflow.borrow_mut().broken.get_or_insert(why);
            reply.cell.wake();
        }
    }
}
