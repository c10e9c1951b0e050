//! The engine's side of a region: used by the inference thread only.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::region::{Region, RegionRing};
use super::ring::{Consumer, Producer};
use super::slot::{PAYLOAD_BYTES, SlotHead, Violation};
use super::stamp::{Clock, Stamp};
use super::starved;
use super::wake::Eventfd;
use crate::config::limits::SLOTS_PER_CORE;

/// All cores' slots as the engine sees them.
#[derive(Debug)]
pub struct Outbox {
    cores: Vec<CoreBack>,
    clock: Clock,
    /// Time of the events since the last flush: the clock is read once a step, not once a token.
    stamp: Option<Stamp>,
}

#[derive(Debug)]
struct CoreBack {
    core: usize,
    out: Producer<RegionRing>,
    free: Consumer<RegionRing>,
    /// Slots that lie with us; the one that came back last goes out first, its lines are still in the cache.
    stack: Vec<u32>,
    /// Which slots lie with us, by number: what the front gives back is checked against it.
    ours: Box<[bool]>,
    wake: Eventfd,
    /// Slots were committed since the last wake.
    unannounced: bool,
    /// The first rule that the front broke. Its slots are not used any more.
    violation: Option<Violation>,
}

impl Outbox {
    /// The engine's side of a new region; made once. One wake per core, in their order.
    ///
    /// # Panics
    /// When there are not as many wakes as cores.
    pub fn new(region: &Arc<Region>, wakes: Vec<Eventfd>) -> Self {
        assert_eq!(wakes.len(), region.cores(), "a region needs one wake per core");
        let cores = wakes.into_iter().enumerate().map(|(core, wake)| CoreBack::new(region, core, wake));
        Self { cores: cores.collect(), clock: Clock::default(), stamp: None }
    }

    /// Slots of a core that may be written now. 0 for good after a violation.
    pub fn free_slots(&mut self, core: usize) -> usize {
        let back = &mut self.cores[core];
        back.reclaim();
        back.stack.len()
    }

    /// A slot to write, or `None` when all are on their way or with the front.
    pub fn slot(&mut self, core: usize) -> Option<SlotMut<'_>> {
        let back = &mut self.cores[core];
        if back.stack.is_empty() {
            back.reclaim();
        }
        let number = back.stack.pop()?;
        Some(SlotMut { back, number, committed: false })
    }

    /// Ends a step: wakes each core for which slots were committed since the last call, one system call for each.
    pub fn flush(&mut self) {
        self.stamp = None;
        for back in &mut self.cores {
            if std::mem::take(&mut back.unannounced) {
                back.wake.write();
            }
        }
    }

    /// Asks the core to send `ToEngine::Wake` with the next slot that it frees, and looks at the ring once more:
    /// returns the slots that may be written after all. The engine may wait only when that is 0.
    #[must_use = "a slot that came back before the flag was raised wakes nobody"]
    pub fn mark_starved(&mut self, core: usize) -> usize {
        starved::raise(self.cores[core].free.cells().starved());
        self.free_slots(core)
    }

    /// Whether the core has kept the rules so far.
    ///
    /// # Errors
    /// The first rule that it broke.
    pub fn check(&self, core: usize) -> Result<(), Violation> {
        self.cores[core].violation.map_or(Ok(()), Err)
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// The time of this step as frames write it.
    pub(super) fn stamp(&mut self) -> Stamp {
        *self.stamp.get_or_insert_with(|| {
            // A clock before 1970 is a clock that was never set.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.clock.stamp(since)
        })
    }
}

impl CoreBack {
    fn new(region: &Arc<Region>, core: usize, wake: Eventfd) -> Self {
        Self {
            core,
            out: Producer::new(RegionRing::out(region, core)),
            free: Consumer::new(RegionRing::free(region, core)),
            stack: (0..SLOTS_PER_CORE as u32).rev().collect(),
            ours: vec![true; SLOTS_PER_CORE].into_boxed_slice(),
            wake,
            unannounced: false,
            violation: None,
        }
    }

    /// Takes back what the front has freed.
    fn reclaim(&mut self) {
        if self.violation.is_none()
            && let Err(violation) = self.try_reclaim()
        {
            tracing::error!(core = self.core, %violation, "the front broke the rules of the region");
            self.violation = Some(violation);
            self.stack.clear();
        }
    }

    fn try_reclaim(&mut self) -> Result<(), Violation> {
        while let Some(number) = self.free.pop().map_err(|tail| Violation::Tail(tail.distance))? {
            let ours = self.ours.get_mut(number as usize).ok_or(Violation::Number(number))?;
            if std::mem::replace(ours, true) {
                return Err(Violation::Twice(number));
            }
            self.stack.push(number);
        }
        Ok(())
    }

    fn region(&self) -> &Region {
        self.out.cells().region()
    }
}

/// A slot that the engine may write. Dropped without [`SlotMut::commit`] it goes back unsent.
#[derive(Debug)]
pub struct SlotMut<'a> {
    back: &'a mut CoreBack,
    number: u32,
    committed: bool,
}

impl SlotMut<'_> {
    /// Where to write: [`PAYLOAD_BYTES`] bytes that hold whatever was there before.
    pub fn payload(&mut self) -> &mut [u8] {
        let start = self.back.region().payload(self.back.core, self.number);
        // SAFETY: the payload lies in the mapping for PAYLOAD_BYTES. The number came from our stack, so no other
        // `SlotMut` has it, and no core reads a slot before we publish its number. The borrow ends before that.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), PAYLOAD_BYTES) }
    }

    /// Hands the slot to its core. The core is woken by the next [`Outbox::flush`].
    ///
    /// # Panics
    /// When the head claims more bytes than a slot has.
    pub fn commit(mut self, head: SlotHead) {
        assert!(head.len as usize <= PAYLOAD_BYTES, "{} bytes in a slot", head.len);
        head.store(self.back.region().head(self.back.core, self.number));
        self.back.ours[self.number as usize] = false;
        self.back.out.push(self.number);
        self.back.unannounced = true;
        self.committed = true;
    }
}

impl Drop for SlotMut<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.back.stack.push(self.number);
        }
    }
}
