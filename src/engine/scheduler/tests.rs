//! The scheduler's rules one by one; `tests/simulation.rs` has all of them at once.

use super::*;
use crate::engine::sequence::Limits;

const CAPACITY: Capacity =
    Capacity { cells: 100, rows: 32, chunk: 8, sequences: 4, plain_rows: 32, reserve: 5, departed: 0 };

fn sequence(id: u64, prompt: usize, predict: usize) -> Sequence {
    let limits = Limits { context: 100, keep: 0, shift: true, predict };
    Sequence::new(RequestId(id), vec![0; prompt], limits).unwrap()
}

/// A step in which every caught-up sequence gets a token. Returns (request, rows) in the batch's order.
fn step(scheduler: &mut Scheduler, plan: &mut Plan) -> Vec<(u64, usize)> {
    scheduler.plan(plan);
    let mut rows: Vec<(u64, usize)> = Vec::new();
    for sequence in &plan.batch.sequences {
        let request = (0..99).find(|&id| scheduler.sequence_id(RequestId(id)) == Some(*sequence)).unwrap();
        match rows.last_mut() {
            Some((last, count)) if *last == request => *count += 1,
            _ => rows.push((request, 1)),
        }
    }
    for ready in &plan.ready {
        scheduler.sampled(ready.request, 1);
    }
    scheduler.check_integrity().unwrap();
    rows
}

fn ids(ids: &[u64]) -> Vec<RequestId> {
    ids.iter().copied().map(RequestId).collect()
}

#[test]
fn a_prompt_is_cut_into_chunks_only_beside_a_decode() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    scheduler.submit(sequence(1, 30, 9));
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 30)]);
    assert_eq!(plan.ready, [Ready { row: 29, request: RequestId(1), sequence: 0 }]);
    scheduler.submit(sequence(2, 20, 9));
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 8)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 8)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 4)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 1)]);
}

#[test]
fn of_the_prefills_the_oldest_gets_half_of_the_chunk_and_the_shortest_the_rest() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    scheduler.submit(sequence(1, 2, 9));
    step(&mut scheduler, &mut plan);
    scheduler.submit(sequence(2, 30, 9));
    scheduler.submit(sequence(3, 3, 9));
    scheduler.submit(sequence(4, 2, 9));
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 4), (3, 2), (4, 2)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 8), (3, 1), (4, 1)]);
}

#[test]
fn prompts_of_one_length_are_computed_one_after_another() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    for id in [1, 2, 3] {
        scheduler.submit(sequence(id, 20, 9));
    }
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 20), (2, 12)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 8)]);
    assert_eq!(step(&mut scheduler, &mut plan), [(1, 1), (2, 1), (3, 8)]);
}

#[test]
fn the_head_of_the_queue_waits_for_its_cells_and_growth_and_nobody_overtakes_it() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    scheduler.submit(sequence(1, 30, 50));
    scheduler.submit(sequence(2, 60, 50)); // 90 cells of prompts and twice 5 to grow: just so
    scheduler.submit(sequence(3, 61, 50));
    scheduler.submit(sequence(4, 2, 1));
    step(&mut scheduler, &mut plan);
    assert_eq!(plan.admitted, ids(&[1, 2]));
    assert!(scheduler.leave(RequestId(2)));
    step(&mut scheduler, &mut plan);
    assert_eq!(plan.admitted, ids(&[]), "31 + 5 + 61 + 5 cells are more than 100");
    assert!(scheduler.leave(RequestId(1)));
    step(&mut scheduler, &mut plan);
    assert_eq!(plan.admitted, ids(&[3, 4]));
}

#[test]
fn when_the_pool_is_dry_the_youngest_goes_to_the_front_and_comes_back_whole() {
    let (mut scheduler, mut plan) = (Scheduler::new(Capacity { reserve: 0, ..CAPACITY }), Plan::default());
    for (id, prompt) in [(1, 30), (2, 30), (3, 20), (4, 40)] {
        scheduler.submit(sequence(id, prompt, 50));
    }
    let mut preempted = Vec::new();
    while preempted.is_empty() {
        step(&mut scheduler, &mut plan);
        preempted.clone_from(&plan.preempted);
    }
    assert_eq!(preempted, ids(&[3]));
    assert!(plan.ops.contains(&Op::Remove { sequence: 2, from: 0, to: -1 }));
    let known = scheduler.get(RequestId(3)).unwrap().known().len();
    assert!(known > 20, "it had sampled something");
    scheduler.leave(RequestId(1));
    step(&mut scheduler, &mut plan);
    assert_eq!(plan.admitted, ids(&[3]), "before request 4, which came later");
    assert_eq!(scheduler.get(RequestId(3)).unwrap().known().len(), known);
}

#[test]
fn a_paused_sequence_gets_no_rows_and_goes_first_when_cells_are_short() {
    let (mut scheduler, mut plan) = (Scheduler::new(Capacity { reserve: 0, ..CAPACITY }), Plan::default());
    for id in [1, 2, 3] {
        scheduler.submit(sequence(id, 32, 50));
    }
    while scheduler.running() < 3 || scheduler.cells().free() > 2 {
        step(&mut scheduler, &mut plan);
    }
    scheduler.pause(RequestId(1));
    assert_eq!(step(&mut scheduler, &mut plan), [(2, 1), (3, 1)]);
    while plan.preempted.is_empty() {
        step(&mut scheduler, &mut plan);
    }
    assert_eq!(plan.preempted, ids(&[1]), "the oldest, but it is paused");
    scheduler.resume(RequestId(1));
    scheduler.leave(RequestId(2));
    step(&mut scheduler, &mut plan);
    assert_eq!(plan.admitted, ids(&[1]));
}

#[test]
fn a_request_that_leaves_frees_its_memory_with_the_next_plan() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    scheduler.submit(sequence(1, 10, 50));
    scheduler.submit(sequence(2, 10, 50));
    step(&mut scheduler, &mut plan);
    assert!(scheduler.leave(RequestId(1)));
    assert!(!scheduler.leave(RequestId(1)), "twice");
    assert_eq!(scheduler.cells().used(), 10);
    assert_eq!(step(&mut scheduler, &mut plan), [(2, 1)]);
    assert_eq!(plan.ops, [Op::Remove { sequence: 0, from: 0, to: -1 }]);
    scheduler.leave(RequestId(2));
    step(&mut scheduler, &mut plan);
    assert!(!plan.is_empty());
    step(&mut scheduler, &mut plan);
    assert!(plan.is_empty());
}

#[test]
fn cells_of_those_who_left_stay_occupied_beside_others_until_they_are_too_many_or_needed() {
    let (mut scheduler, mut plan) = (Scheduler::new(Capacity { departed: 20, ..CAPACITY }), Plan::default());
    for (id, prompt) in [(1, 10), (2, 10), (3, 11)] {
        scheduler.submit(sequence(id, prompt, 50));
        step(&mut scheduler, &mut plan);
    }
    scheduler.leave(RequestId(1));
    step(&mut scheduler, &mut plan);
    assert_eq!((plan.ops.len(), scheduler.departed()), (0, 12));
    scheduler.submit(sequence(4, 55, 9));
    while plan.ops.is_empty() {
        step(&mut scheduler, &mut plan);
    }
    assert_eq!((scheduler.departed(), scheduler.sequence_id(RequestId(4))), (0, Some(3)), "needed");
    scheduler.leave(RequestId(4));
    step(&mut scheduler, &mut plan);
    assert_eq!((plan.ops.len(), scheduler.departed()), (1, 0), "too many");
    scheduler.leave(RequestId(2));
    scheduler.leave(RequestId(3));
    step(&mut scheduler, &mut plan);
    assert_eq!((plan.ops.len(), scheduler.departed()), (2, 0), "nobody runs");
}

#[test]
fn the_integrity_check_sees_a_wrong_count() {
    let (mut scheduler, mut plan) = (Scheduler::new(CAPACITY), Plan::default());
    scheduler.submit(sequence(1, 10, 50));
    step(&mut scheduler, &mut plan);
    scheduler.cells.give(1);
    assert_eq!(scheduler.check_integrity(), Err(Broken::Cells { used: 9, held: 10 }));
    scheduler.cells.take(1);
    scheduler.order.clear();
    assert_eq!(scheduler.check_integrity(), Err(Broken::Ids { free: 3, running: 0, total: 4 }));
}
