//! A network core's side of a region.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::region::{Region, RegionRing};
use super::ring::{Consumer, Producer};
use super::slot::{SlotHead, Violation};
use super::starved;
use crate::config::limits::SLOTS_PER_CORE;
use crate::engine::wire::StreamKey;

/// What one network core takes out of a region. Lives on that core's thread.
#[derive(Debug)]
pub struct CoreFront {
    out: RefCell<Consumer<RegionRing>>,
    shared: Rc<Shared>,
}

/// What the core's slots share with it.
struct Shared {
    region: Arc<Region>,
    core: usize,
    free: RefCell<Producer<RegionRing>>,
    /// Which slots are out here, by number. Our own book: the region's word is not taken for it.
    ours: RefCell<Box<[bool]>>,
    slots_out: Cell<usize>,
    slots_total: Cell<u64>,
    copied_bytes: Cell<u64>,
    on_starved: RefCell<Option<Box<dyn Fn()>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("core", &self.core).field("slots_out", &self.slots_out).finish_non_exhaustive()
    }
}

/// What a core counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Slots that are held on this core now.
    pub slots_out: usize,
    /// Slots that were ever taken.
    pub slots_total: u64,
    /// Bytes that were copied out of slots instead of being sent from them.
    pub copied_bytes: u64,
}

impl CoreFront {
    /// The front's side of one core of a new region; made once. What the engine has sent already is drained too.
    ///
    /// # Panics
    /// When the region does not serve that core.
    pub fn new(region: Arc<Region>, core: usize) -> Self {
        let out = RefCell::new(Consumer::new(RegionRing::out(&region, core)));
        let free = RefCell::new(Producer::new(RegionRing::free(&region, core)));
        let shared = Shared {
            region,
            core,
            free,
            ours: RefCell::new(vec![false; SLOTS_PER_CORE].into_boxed_slice()),
            slots_out: Cell::new(0),
            slots_total: Cell::new(0),
            copied_bytes: Cell::new(0),
            on_starved: RefCell::new(None),
        };
        Self { out, shared: Rc::new(shared) }
    }

    /// Takes every slot that has been published, in order, and returns how many there were. At most
    /// [`SLOTS_PER_CORE`] in one call, so that a busy engine cannot hold the core here.
    ///
    /// # Errors
    /// When the engine broke the rules: the core should stop using this region. Slots already handed out stay valid.
    pub fn drain(&self, mut take: impl FnMut(StreamKey, Slot)) -> Result<usize, Violation> {
        for count in 0..SLOTS_PER_CORE {
            let popped = self.out.borrow_mut().pop();
            let Some(number) = popped.map_err(|tail| Violation::Tail(tail.distance))? else { return Ok(count) };
            let slot = self.claim(number)?;
            take(slot.head.stream, slot);
        }
        Ok(SLOTS_PER_CORE)
    }

    /// Checks a published number and its head, and makes the slot ours.
    fn claim(&self, number: u32) -> Result<Slot, Violation> {
        let shared = &self.shared;
        let mut ours = shared.ours.borrow_mut();
        let is_ours = ours.get_mut(number as usize).ok_or(Violation::Number(number))?;
        if *is_ours {
            return Err(Violation::Twice(number));
        }
        let head = SlotHead::load(shared.region.head(shared.core, number))?;
        *is_ours = true;
        shared.slots_out.set(shared.slots_out.get() + 1);
        shared.slots_total.set(shared.slots_total.get() + 1);
        Ok(Slot { shared: Rc::clone(shared), number, head })
    }

    /// Sets what is called when a slot comes free after the engine asked for that: it should send `ToEngine::Wake`.
    /// Called from [`Slot`]'s drop, once each time the engine asks. It should not own this `CoreFront`, whose slots
    /// own it.
    pub fn on_starved(&self, hook: Box<dyn Fn()>) {
        *self.shared.on_starved.borrow_mut() = Some(hook);
    }

    /// What this core has counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            slots_out: self.shared.slots_out.get(),
            slots_total: self.shared.slots_total.get(),
            copied_bytes: self.shared.copied_bytes.get(),
        }
    }

    /// The region that it reads.
    pub fn region(&self) -> &Arc<Region> {
        &self.shared.region
    }
}

/// A slot that this core holds. Dropping it gives it back to the engine; any order will do.
#[derive(Debug)]
pub struct Slot {
    shared: Rc<Shared>,
    number: u32,
    head: SlotHead,
}

impl Slot {
    /// Its head, as it was when the slot was taken.
    pub fn head(&self) -> SlotHead {
        self.head
    }

    /// The payload, in the region itself.
    pub fn bytes(&self) -> &[u8] {
        let start = self.shared.region.payload(self.shared.core, self.number);
        // SAFETY: `len` was checked against the payload when the slot was taken, and the region stays mapped while
        // `shared` lives. An engine that keeps the rules does not write to a slot that it has published. One that
        // does not can change bytes under this reference: they go to a socket or into a spill, any value is valid,
        // and nothing decides by them.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.head.len as usize) }
    }

    /// Appends the payload from `offset` on to a spill. The only way to copy, so that copies can be counted.
    pub fn copy_from(&self, offset: usize, spill: &mut Vec<u8>) {
        let rest = self.bytes().get(offset..).unwrap_or_default();
        spill.extend_from_slice(rest);
        self.shared.copied_bytes.set(self.shared.copied_bytes.get() + rest.len() as u64);
    }

    /// Appends the whole payload to a spill, see [`Slot::copy_from`].
    pub fn copy_to(&self, spill: &mut Vec<u8>) {
        self.copy_from(0, spill);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.ours.borrow_mut()[self.number as usize] = false;
        shared.slots_out.set(shared.slots_out.get() - 1);
        let starved = {
            let mut free = shared.free.borrow_mut();
            free.push(self.number);
            starved::take(free.cells().starved())
        };
        if starved && let Some(hook) = &*shared.on_starved.borrow() {
            hook();
        }
    }
}
