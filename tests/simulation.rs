//! Thousands of random scenarios against the scheduler, with a model whose every token depends on the whole history.
//!
//! 1. Draw a pool, a batch size and a few dozen requests; each arrives, pauses and is perhaps cancelled at random.
//! 2. Step until all are gone. After each step, check the scheduler's own invariants and the promises of its head
//!    comment, from outside.
//! 3. Each client's tokens must be those of a run alone, computed by a naive loop without a scheduler.
//!
//! A failure names its seed; `check(seed)` repeats it.

use std::collections::{HashMap, VecDeque};

use llamero::engine::backend::{Backend, Token};
use llamero::engine::scheduler::trace::Happened::{Admitted, Cancelled, Ended};
use llamero::engine::scheduler::trace::{self, Line, likeliest};
use llamero::engine::scheduler::{Capacity, Plan, Scheduler};
use llamero::engine::sequence::{Limits, RequestId, Sequence, Verdict};
use llamero::engine::synthetic::{END, Shape, SyntheticBackend, next_token};

/// `SplitMix64`: a scenario is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn within(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.within(0, 99) < percent
    }
}

/// What a client gets when nobody else is there, after Ollama's rules, by the shortest code.
fn alone(prompt: &[Token], limits: &Limits, end_every: u32) -> Vec<Token> {
    let mut history = prompt.to_vec();
    let mut answer = Vec::new();
    loop {
        if history.len() >= limits.context {
            let keep = limits.keep.min(limits.context - 4);
            let discard = (history.len() - 1 - keep) / 2;
            history.drain(keep..keep + discard);
        }
        let token = next_token(&history, end_every);
        answer.push(token);
        history.push(token);
        let full = history.len() >= limits.context && !limits.shift;
        if token == END || full || answer.len() >= limits.predict {
            return answer;
        }
    }
}

struct Client {
    id: RequestId,
    prompt: Vec<Token>,
    limits: Limits,
    arrives: usize,
    cancelled_at: Option<usize>,
    /// Paused from one step to another.
    pause: Option<(usize, usize)>,
    expected: Vec<Token>,
    got: Vec<Token>,
}

impl Client {
    fn random(random: &mut Random, id: u64, shape: &Shape) -> Self {
        let context = random.within(4, (shape.cells as usize).min(96));
        let prompt: Vec<Token> = (0..random.within(1, context - 1)).map(|_| random.within(0, 255) as Token).collect();
        let limits = Limits {
            context,
            keep: random.within(0, context),
            shift: random.chance(60),
            predict: random.within(1, 48),
        };
        let arrives = if random.chance(50) { 0 } else { random.within(0, 60) };
        let cancelled_at = random.chance(20).then(|| arrives + random.within(0, 40));
        let pause = random.chance(25).then(|| {
            let from = arrives + random.within(0, 20);
            (from, from + random.within(0, 30))
        });
        let expected = alone(&prompt, &limits, shape.end_every);
        Self { id: RequestId(id), prompt, limits, arrives, cancelled_at, pause, expected, got: Vec::new() }
    }
}

struct World {
    model: SyntheticBackend,
    scheduler: Scheduler,
    plan: Plan,
    chunk: usize,
    clients: Vec<Client>,
    /// What the queue should look like.
    queue: VecDeque<RequestId>,
    running: Vec<RequestId>,
    paused: HashMap<RequestId, bool>,
    preemptions: usize,
    shifts: usize,
}

impl World {
    fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let shape = Shape {
            cells: random.within(8, 400) as u32,
            batch_rows: random.within(2, 64),
            sequences: random.within(1, 12),
            end_every: if random.chance(50) { 25 } else { 0 },
            ..Shape::default()
        };
        let chunk = random.within(1, shape.batch_rows);
        let capacity = Capacity {
            cells: shape.cells as usize,
            rows: shape.batch_rows,
            chunk,
            sequences: shape.sequences,
            plain_rows: random.within(1, 64),
            reserve: random.within(0, 8),
            departed: random.within(0, 60),
        };
        let clients = (0..random.within(1, 30)).map(|id| Client::random(&mut random, id as u64, &shape)).collect();
        Self {
            model: SyntheticBackend::new(shape),
            scheduler: Scheduler::new(capacity),
            plan: Plan::default(),
            chunk,
            clients,
            queue: VecDeque::new(),
            running: Vec::new(),
            paused: HashMap::new(),
            preemptions: 0,
            shifts: 0,
        }
    }

    fn is_paused(&self, id: RequestId) -> bool {
        self.paused.get(&id).copied().unwrap_or(false)
    }

    /// What the clients do before this step.
    fn clients_act(&mut self, step: usize) {
        for client in &self.clients {
            let id = client.id;
            if client.arrives == step {
                self.scheduler.submit(Sequence::new(id, client.prompt.clone(), client.limits).unwrap());
                self.queue.push_back(id);
            }
            if client.cancelled_at == Some(step) {
                self.scheduler.leave(id);
                self.queue.retain(|&other| other != id);
                self.running.retain(|&other| other != id);
            }
            if let Some((from, to)) = client.pause {
                if step == to {
                    self.scheduler.resume(id);
                    self.paused.insert(id, false);
                } else if step == from {
                    self.scheduler.pause(id);
                    self.paused.insert(id, true);
                }
            }
        }
    }

    /// Follows the plan's admissions and preemptions: nobody may overtake.
    fn follow(&mut self) {
        for &id in &self.plan.admitted {
            let front = self.queue.iter().position(|&other| !self.is_paused(other));
            assert_eq!(front.and_then(|index| self.queue.remove(index)), Some(id), "admitted out of turn");
            self.running.push(id);
        }
        for &id in &self.plan.preempted {
            let index = self.running.iter().position(|&other| other == id).expect("preempted, but not running");
            let younger_could = self.running[index + 1..].iter().any(|&other| !self.is_paused(other));
            assert!(self.is_paused(id) || !younger_could, "{id:?} went before a younger one");
            self.running.remove(index);
            self.queue.push_front(id);
            self.preemptions += 1;
        }
    }

    /// The promises of the scheduler's head comment.
    fn check_plan(&self) {
        self.scheduler.check_integrity().unwrap();
        assert_eq!((self.scheduler.waiting(), self.scheduler.running()), (self.queue.len(), self.running.len()));
        let rows_of = |id: RequestId| {
            let place = self.scheduler.sequence_id(id);
            self.plan.batch.sequences.iter().filter(|&&sequence| Some(sequence) == place).count()
        };
        let missing = |id: RequestId| self.scheduler.get(id).map_or(0, Sequence::missing);
        let prefills = |id: &RequestId| !self.is_paused(*id) && missing(*id) + rows_of(*id) > 1;
        let oldest_prefill = self.running.iter().copied().find(prefills);
        for &id in &self.running {
            // Only a prefill may be left out, and never the oldest.
            let left_out = missing(id) > 1 && oldest_prefill != Some(id);
            assert!(self.is_paused(id) || rows_of(id) > 0 || left_out, "{id:?} has no row");
            assert!(!self.is_paused(id) || rows_of(id) == 0, "{id:?} is paused and has {} rows", rows_of(id));
        }
        if self.running.is_empty() {
            assert!(self.queue.iter().all(|&id| self.is_paused(id)), "somebody could run alone");
        }
        // Rows of sequences that got more than one are prefill.
        let prefill: usize = self.running.iter().map(|&id| rows_of(id)).filter(|&rows| rows > 1).sum();
        if prefill < self.plan.batch.len() && self.plan.ready.iter().any(|ready| rows_of(ready.request) == 1) {
            assert!(prefill <= self.chunk, "{prefill} rows of prefill beside a decode");
        }
    }

    fn carry_out(&mut self) {
        self.shifts += self.plan.ops.iter().filter(|op| format!("{op:?}").starts_with("Shift")).count();
        for op in &self.plan.ops {
            op.apply(&mut self.model);
        }
        if !self.plan.batch.is_empty() {
            self.model.decode(&self.plan.batch).unwrap();
        }
        assert_eq!(self.model.used(), self.scheduler.cells().used() + self.scheduler.departed());
        for ready in &self.plan.ready {
            let token = likeliest(self.model.logits(ready.row));
            let client = &mut self.clients[ready.request.0 as usize];
            client.got.push(token);
            assert_eq!(client.got.last(), client.expected.get(client.got.len() - 1), "{:?}", client.id);
            let verdict = self.scheduler.sampled(ready.request, token);
            if token == END || verdict == Verdict::Length {
                assert!(self.scheduler.leave(ready.request));
                self.running.retain(|&other| other != ready.request);
            }
        }
    }

    fn run(&mut self) {
        let last_event = 60 + 20 + 30 + 40;
        let work: usize = self.clients.iter().map(|client| client.prompt.len() + client.expected.len()).sum();
        // A preempted sequence is computed again, at most once for each token somebody older gained.
        let patience = last_event + work * 20;
        for step in 0.. {
            assert!(step < patience, "not done after {step} steps");
            self.clients_act(step);
            self.scheduler.plan(&mut self.plan);
            self.follow();
            self.check_plan();
            self.carry_out();
            self.scheduler.check_integrity().unwrap();
            if step > last_event && self.queue.is_empty() && self.running.is_empty() && self.plan.is_empty() {
                break;
            }
        }
        for client in &self.clients {
            assert!(client.cancelled_at.is_some() || client.got == client.expected, "{:?} is incomplete", client.id);
        }
        assert_eq!((self.model.used(), self.scheduler.cells().used()), (0, 0));
    }
}

fn check(seed: u64) -> (usize, usize) {
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::random(seed);
        world.run();
        (world.preemptions, world.shifts)
    });
    outcome.unwrap_or_else(|_| panic!("scenario {seed} failed"))
}

#[test]
fn everyone_gets_the_tokens_of_a_run_alone_and_nobody_starves() {
    let mut preemptions = 0;
    let mut shifts = 0;
    for seed in 0..4000 {
        let (preempted, shifted) = check(seed);
        preemptions += preempted;
        shifts += shifted;
    }
    // The scenarios are worth nothing if the hard cases do not happen in them.
    assert!(preemptions > 1000 && shifts > 1000, "{preemptions} preemptions, {shifts} shifts");
}

fn arrive(step: usize, id: u64, prompt: usize, context: usize, predict: usize) -> Line {
    let limits = Limits { context, keep: 4, shift: true, predict };
    Line::Arrive { step, id: RequestId(id), prompt: (0..prompt as Token).map(|token| token % 200).collect(), limits }
}

/// Requests of different lengths, two at a time; one is cancelled while it waits, one while it runs.
fn script() -> Vec<Line> {
    vec![
        arrive(0, 1, 20, 64, 6),
        arrive(0, 2, 5, 64, 3),
        arrive(1, 3, 8, 64, 4),
        arrive(1, 4, 8, 64, 4),
        arrive(2, 5, 30, 64, 9),
        Line::Cancel { step: 3, id: RequestId(4) },
        Line::Cancel { step: 9, id: RequestId(5) },
    ]
}

#[test]
fn a_trace_tells_the_order_of_admissions_cancels_and_ends() {
    let mut model = SyntheticBackend::new(Shape { cells: 128, batch_rows: 16, ..Shape::default() });
    let capacity = Capacity { cells: 128, rows: 16, chunk: 8, sequences: 2, plain_rows: 16, reserve: 4, departed: 0 };
    let happened = trace::run(&mut model, capacity, script()).unwrap();
    let id = RequestId;
    assert_eq!(
        happened,
        [
            Admitted(0, id(1)),
            Admitted(0, id(2)),
            Ended(2, id(2)),
            Cancelled(3, id(4)),
            Admitted(3, id(3)),
            Ended(6, id(3)),
            Admitted(7, id(5)),
            Ended(7, id(1)),
            Cancelled(9, id(5)),
        ]
    );
}
