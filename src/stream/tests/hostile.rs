//! A peer that writes what it likes into the region: each lie has its violation, and nothing panics or goes astray.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::layout::{self, PAYLOAD_BYTES};
use super::super::slot::Violation;
use super::Rig;
use crate::config::limits::SLOTS_PER_CORE;

impl Rig {
    fn write(&self, offset: usize, value: u32) {
        self.region.word(layout::core_at(0) + offset).store(value, Ordering::Release);
    }

    /// Publishes a slot number the way a lying engine would.
    fn publish(&self, position: u32, number: u32) {
        self.write(layout::OUT_CELLS + position as usize * 4, number);
        self.write(layout::OUT_TAIL, position + 1);
    }
}

/// The second word of a slot's head.
fn packed(len: u32, status: u16, framing: u8, flags: u8) -> u64 {
    len as u64 | (status as u64) << 32 | (framing as u64) << 48 | (flags as u64) << 56
}

#[test]
fn each_lie_of_an_engine_has_its_name() {
    let table = [
        (packed(PAYLOAD_BYTES as u32 + 1, 200, 0, 0), Violation::Length(PAYLOAD_BYTES as u32 + 1)),
        (packed(u32::MAX, 200, 0, 0), Violation::Length(u32::MAX)),
        (packed(1, 200, 3, 0), Violation::Framing(3)),
        (packed(1, 200, 0, 8), Violation::Flags(8)),
        (packed(1, 200, 0, 0xff), Violation::Flags(0xff)),
        (packed(1, 99, 0, 1), Violation::Status(99)),
        (packed(1, 600, 0, 1), Violation::Status(600)),
    ];
    for (word, violation) in table {
        let rig = Rig::new();
        rig.region.head(0, 5)[1].store(word, Ordering::Relaxed);
        rig.publish(0, 5);
        assert_eq!(rig.drain().unwrap_err(), violation);
    }
    let rig = Rig::new();
    rig.publish(0, SLOTS_PER_CORE as u32);
    assert_eq!(rig.drain().unwrap_err(), Violation::Number(SLOTS_PER_CORE as u32));

    let rig = Rig::new();
    rig.publish(0, 9);
    let held = rig.drain().unwrap();
    rig.publish(1, 9);
    assert_eq!(rig.drain().unwrap_err(), Violation::Twice(9));
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].bytes(), b"");

    for tail in [SLOTS_PER_CORE as u32 + 1, u32::MAX, 1 << 31] {
        let rig = Rig::new();
        rig.write(layout::OUT_TAIL, tail);
        assert_eq!(rig.drain().unwrap_err(), Violation::Tail(tail));
        assert_eq!(rig.drain().unwrap_err(), Violation::Tail(tail), "and it stays so");
    }
}

#[test]
fn the_head_is_read_once() {
    let mut rig = Rig::new();
    assert!(rig.send(b"hello"));
    let slots = rig.drain().unwrap();
    for number in 0..SLOTS_PER_CORE as u32 {
        rig.region.head(0, number)[1].store(u64::MAX, Ordering::Relaxed);
    }
    assert_eq!(slots[0].bytes(), b"hello");
    assert_eq!(slots[0].head(), super::head(7, 5));
}

/// What a lying front writes.
type Lie<'a> = &'a dyn Fn(&Rig);

/// A front that lies costs its own core its slots, and nothing else.
#[test]
fn each_lie_of_a_front_has_its_name() {
    let free = |rig: &Rig, number| {
        rig.write(layout::FREE_CELLS, number);
        rig.write(layout::FREE_TAIL, 1);
    };
    let table: [(Lie<'_>, Violation); 4] = [
        (&|rig| free(rig, 4096), Violation::Number(4096)),
        (&|rig| free(rig, u32::MAX), Violation::Number(u32::MAX)),
        (&|rig| free(rig, 17), Violation::Twice(17)), // it was never sent
        (&|rig| rig.write(layout::FREE_TAIL, 4097), Violation::Tail(4097)),
    ];
    for (lie, violation) in table {
        let mut rig = Rig::new();
        assert_eq!(rig.out.check(0), Ok(()));
        lie(&rig);
        assert_eq!(rig.out.free_slots(0), 0);
        assert!(rig.out.slot(0).is_none());
        assert_eq!(rig.out.mark_starved(0), 0);
        assert_eq!(rig.out.check(0), Err(violation));
    }
}

/// A write of garbage, or a step of the honest side.
#[derive(Debug, Clone)]
enum Step {
    Write { offset: usize, value: u32 },
    Send,
    Drain,
    Free,
    Starved,
}

fn step() -> impl Strategy<Value = Step> {
    let cells = 0..SLOTS_PER_CORE * 4;
    let offset = prop_oneof![
        Just(layout::OUT_TAIL),
        Just(layout::FREE_TAIL),
        Just(layout::STARVED),
        (layout::OUT_CELLS..layout::OUT_CELLS + 64),
        (layout::FREE_CELLS..layout::FREE_CELLS + 64),
        cells.clone().prop_map(|at| layout::OUT_CELLS + at),
        // The heads of the first slots.
        (0_u32..8, 0_usize..32).prop_map(|(slot, at)| layout::slot_at(0, slot) - layout::core_at(0) + at),
    ];
    let value = prop_oneof![0_u32..8, any::<u32>(), Just(SLOTS_PER_CORE as u32), 4000_u32..4200];
    let write = (offset, value).prop_map(|(offset, value)| Step::Write { offset: offset & !3, value });
    prop_oneof![4 => write, 2 => Just(Step::Send), 2 => Just(Step::Drain), 1 => Just(Step::Free), 1 => Just(Step::Starved)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Under garbage anywhere, both sides answer with values or violations, and every byte lies in the region.
    #[test]
    fn garbage_is_survived(steps in prop::collection::vec(step(), 0..60)) {
        let mut rig = Rig::new();
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Write { offset, value } => rig.write(offset, value),
                Step::Send => {
                    rig.send(b"some bytes");
                }
                Step::Drain => {
                    let region = rig.region.clone();
                    let taken = rig.front.drain(|_, slot| {
                        assert!(slot.bytes().len() <= PAYLOAD_BYTES);
                        assert!(region.contains(slot.bytes().as_ptr(), slot.bytes().len()));
                        held.push(slot);
                    });
                    prop_assert!(taken.is_err() || held.len() <= SLOTS_PER_CORE);
                }
                Step::Free => drop(held.pop()),
                Step::Starved => {
                    prop_assert!(rig.out.mark_starved(0) <= SLOTS_PER_CORE);
                }
            }
            prop_assert_eq!(rig.front.counters().slots_out, held.len());
        }
    }
}
