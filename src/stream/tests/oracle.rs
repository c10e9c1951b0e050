//! Random operations on the rings and slots beside a `VecDeque` that cannot be wrong.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use proptest::prelude::*;

use super::super::ring::{Cells, Consumer, Producer};
use super::Rig;
use crate::config::limits::SLOTS_PER_CORE;

const CAPACITY: usize = 4;

struct Words {
    tail: AtomicU32,
    cells: [AtomicU32; CAPACITY],
}

impl Cells for Rc<Words> {
    type Word = AtomicU32;

    fn capacity(&self) -> u32 {
        CAPACITY as u32
    }
    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }
    fn cell(&self, index: u32) -> &AtomicU32 {
        &self.cells[index as usize]
    }
}

proptest! {
    /// `Some`: push that value if there is room; `None`: pop.
    #[test]
    fn a_ring_is_a_queue(ops in prop::collection::vec(any::<Option<u32>>(), 0..200), before_wrap in 0_u32..8) {
        let tail = AtomicU32::new(u32::MAX - before_wrap);
        let words = Rc::new(Words { tail, cells: Default::default() });
        let (mut producer, mut consumer) = (Producer::new(Rc::clone(&words)), Consumer::new(words));
        let mut oracle = VecDeque::new();
        for op in ops {
            match op {
                Some(value) if oracle.len() < CAPACITY => {
                    producer.push(value);
                    oracle.push_back(value);
                }
                Some(_) => {}
                None => prop_assert_eq!(consumer.pop().unwrap(), oracle.pop_front()),
            }
        }
    }
}

/// What can happen to a core's slots.
#[derive(Debug, Clone)]
enum Op {
    /// The engine sends this many slots, as far as there are any.
    Send(usize),
    /// The engine takes a slot and thinks better of it.
    Abandon,
    /// The core takes what has been published.
    Drain,
    /// The core gives back this many slots, each one picked at random.
    Free(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0_usize..2000).prop_map(Op::Send),
        Just(Op::Abandon),
        Just(Op::Drain),
        (0_usize..1500, any::<usize>()).prop_map(|(count, seed)| Op::Free(count, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Slots come out in order with their bytes, and every slot is in exactly one place.
    #[test]
    fn slots_are_a_queue_and_a_pool(ops in prop::collection::vec(op(), 0..40)) {
        let mut rig = Rig::new();
        let mut published = VecDeque::new();
        let mut held = Vec::new();
        let mut next = 0_u64;
        for op in ops {
            match op {
                Op::Send(count) => for _ in 0..count {
                    let sent = rig.send(&next.to_le_bytes());
                    prop_assert_eq!(sent, published.len() + held.len() < SLOTS_PER_CORE);
                    if sent {
                        published.push_back(next);
                        next += 1;
                    }
                },
                Op::Abandon => drop(rig.out.slot(0)),
                Op::Drain => {
                    let slots = rig.drain().unwrap();
                    prop_assert_eq!(slots.len(), published.len());
                    for slot in slots {
                        let expected = published.pop_front().unwrap();
                        prop_assert_eq!(slot.bytes(), &expected.to_le_bytes()[..]);
                        held.push((slot, expected));
                    }
                }
                Op::Free(count, seed) => for step in 0..count.min(held.len()) {
                    let (slot, expected) = held.swap_remove(seed.wrapping_mul(step | 1) % held.len());
                    prop_assert_eq!(slot.bytes(), &expected.to_le_bytes()[..]);
                },
            }
            let free = rig.out.free_slots(0);
            prop_assert_eq!(free + published.len() + held.len(), SLOTS_PER_CORE);
            prop_assert_eq!(rig.front.counters().slots_out, held.len());
            prop_assert_eq!(rig.front.counters().slots_total, next - published.len() as u64);
        }
        drop(held);
        rig.drain().unwrap();
        prop_assert_eq!(rig.out.free_slots(0), SLOTS_PER_CORE);
    }
}

#[test]
fn a_batch_wakes_its_core_once_and_others_not_at_all() {
    use super::super::{back::Outbox, region::Region, wake::Eventfd};
    let region = Region::create(2).unwrap();
    let wakes = [Eventfd::new().unwrap(), Eventfd::new().unwrap()];
    let mut out = Outbox::new(&region, wakes.iter().map(|wake| wake.try_clone().unwrap()).collect());
    for _ in 0..3 {
        out.slot(1).unwrap().commit(super::head(1, 0));
    }
    out.flush();
    out.flush();
    let count = |wake: &Eventfd| {
        wake.write(); // so that the read does not wait
        let mut count = [0; 8];
        rustix::io::read(wake, &mut count).unwrap();
        u64::from_ne_bytes(count) - 1
    };
    assert_eq!((count(&wakes[0]), count(&wakes[1])), (0, 1));
}

#[test]
fn a_starved_engine_is_told_once_each_time_it_asks() {
    use std::cell::Cell;
    let mut rig = Rig::new();
    let told = Rc::new(Cell::new(0));
    let hook = Rc::clone(&told);
    rig.front.on_starved(Box::new(move || hook.set(hook.get() + 1)));
    while rig.send(b"x") {}
    let mut slots = rig.drain().unwrap();
    slots.pop();
    assert_eq!(told.get(), 0);
    assert_eq!(rig.out.mark_starved(0), 1, "the slot that came back before the engine asked");
    slots.pop();
    slots.pop();
    assert_eq!(told.get(), 1);
    rig.out.mark_starved(0);
    slots.pop();
    assert_eq!(told.get(), 2);
}
