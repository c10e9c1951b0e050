//! Both sides on threads of their own, which sleep whenever they can: a lost wake would be a hang.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use super::super::back::Outbox;
use super::super::front::{CoreFront, Slot};
use super::super::region::Region;
use super::super::wake::Eventfd;
use crate::config::limits::SLOTS_PER_CORE;

const MESSAGES: u64 = 300_000;

// The inference thread gets its outbox from another one.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Outbox>();
    is_send::<Arc<Region>>();
};

fn wait(eventfd: &Eventfd) {
    rustix::io::read(eventfd, &mut [0; 8]).unwrap();
}

/// Sends numbers in batches of odd sizes; sleeps when there is no slot.
fn engine(mut out: Outbox, slots_came_back: &Eventfd) -> u64 {
    let (mut next, mut sleeps) = (0, 0);
    while next < MESSAGES {
        for _ in 0..=next % 97 {
            let Some(mut slot) = out.slot(0) else { break };
            slot.payload()[..8].copy_from_slice(&next.to_le_bytes());
            slot.commit(super::head(next, 8));
            next += 1;
        }
        out.flush();
        if out.free_slots(0) == 0 && out.mark_starved(0) == 0 {
            sleeps += 1;
            wait(slots_came_back);
        }
    }
    assert_eq!(out.check(0), Ok(()));
    sleeps
}

/// Reads them in order and gives the slots back late and out of order.
fn front(front: &CoreFront, published: &Eventfd, told: &Cell<u64>) {
    let mut held: VecDeque<Slot> = VecDeque::new();
    let mut next = 0;
    while next < MESSAGES {
        wait(published);
        front
            .drain(|key, slot| {
                assert_eq!((key, slot.bytes()), (next, &next.to_le_bytes()[..]));
                next += 1;
                held.push_back(slot);
            })
            .unwrap();
        // All are held until none is left, so that the engine starves; then the younger half goes first.
        if held.len() == SLOTS_PER_CORE {
            held.rotate_left(SLOTS_PER_CORE / 2);
            held.clear();
        }
    }
    assert!(told.get() > 0);
}

#[test]
fn nobody_sleeps_through_a_wake() {
    let region = Region::create(1).unwrap();
    let (published, came_back) = (Eventfd::new().unwrap(), Eventfd::new().unwrap());
    let out = Outbox::new(&region, vec![published.try_clone().unwrap()]);
    let wakes_engine = came_back.try_clone().unwrap();
    let core = thread::spawn(move || {
        let core = CoreFront::new(region, 0);
        let told = Rc::new(Cell::new(0));
        let hook = Rc::clone(&told);
        core.on_starved(Box::new(move || {
            hook.set(hook.get() + 1);
            wakes_engine.write();
        }));
        front(&core, &published, &told);
    });
    let sleeps = engine(out, &came_back);
    core.join().unwrap();
    assert!(sleeps > 0, "the engine never starved: nothing was tested");
}
