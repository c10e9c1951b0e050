//! Loom: every order in which two threads can meet in the rings, with two slots instead of thousands.
//!
//! `RUSTFLAGS="--cfg loom -C target-cpu=native" cargo test --release --no-default-features --lib stream::tests::interleavings`

use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, fence};
use loom::thread;

use super::super::ring::{Cells, Consumer, Producer, Word};
use super::super::starved;

const SLOTS: u32 = 2;

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
        fence(order);
    }
}

/// A ring's words on the heap.
struct Words {
    tail: AtomicU32,
    cells: [AtomicU32; SLOTS as usize],
}

impl Words {
    fn new() -> Arc<Self> {
        Arc::new(Self { tail: AtomicU32::new(0), cells: [AtomicU32::new(0), AtomicU32::new(0)] })
    }
}

impl Cells for Arc<Words> {
    type Word = AtomicU32;

    fn capacity(&self) -> u32 {
        SLOTS
    }
    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }
    fn cell(&self, index: u32) -> &AtomicU32 {
        &self.cells[index as usize]
    }
}

/// Payloads whose readers and writers loom watches.
struct Payloads([UnsafeCell<u32>; SLOTS as usize]);

// SAFETY: what the test is about. Loom fails it when two threads meet in one payload.
unsafe impl Sync for Payloads {}

/// Three messages through two slots: none is lost, changed or out of order, no payload is touched by both sides at
/// once, and the rings' cells are written again only after they were read.
#[test]
fn slots_go_round() {
    const MESSAGES: u32 = 3;
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (out, free) = (Words::new(), Words::new());
        let payloads = Arc::new(Payloads([UnsafeCell::new(0), UnsafeCell::new(0)]));
        let (mut entries, mut freed) = (Consumer::new(Arc::clone(&out)), Producer::new(Arc::clone(&free)));
        let front = {
            let payloads = Arc::clone(&payloads);
            thread::spawn(move || {
                for expected in 1..=MESSAGES {
                    let slot = wait(&mut entries);
                    // SAFETY: watched by loom.
                    let seen = payloads.0[slot as usize].with(|payload| unsafe { *payload });
                    assert_eq!(seen, expected);
                    freed.push(slot);
                }
            })
        };
        let (mut publish, mut reclaim) = (Producer::new(out), Consumer::new(free));
        let mut stack = vec![1, 0];
        for message in 1..=MESSAGES {
            let slot = stack.pop().unwrap_or_else(|| wait(&mut reclaim));
            // SAFETY: watched by loom.
            payloads.0[slot as usize].with_mut(|payload| unsafe { *payload = message });
            publish.push(slot);
        }
        front.join().unwrap();
    });
}

fn wait(ring: &mut Consumer<Arc<Words>>) -> u32 {
    loop {
        if let Some(number) = ring.pop().unwrap() {
            return number;
        }
        thread::yield_now();
    }
}

/// An engine that asks and then finds the free ring empty is always told of the slot that comes back.
#[test]
fn a_starved_engine_is_always_woken() {
    loom::model(|| {
        let (free, flag) = (Words::new(), Arc::new(AtomicU32::new(0)));
        let front = {
            let (mut freed, flag) = (Producer::new(Arc::clone(&free)), Arc::clone(&flag));
            thread::spawn(move || {
                freed.push(1);
                starved::take(&*flag)
            })
        };
        let mut reclaim = Consumer::new(free);
        starved::raise(&*flag);
        let sleeps = reclaim.pop().unwrap().is_none();
        let woken = front.join().unwrap();
        assert!(woken || !sleeps, "the engine sleeps and nobody wakes it");
    });
}
