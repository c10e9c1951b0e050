//! What holds an answer to its grammar: on the inference thread a mask for each token, made on a worker meanwhile.
//!
//! After each token the grammar's state goes to a worker, which moves it on and makes the next mask while the device
//! computes the next row. The inference thread asks whether the mask is there; it never computes one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use std::{io, thread};

use crossbeam::channel::{self, Receiver, Sender, TryRecvError};

use super::gate::{Gate, Step};
use super::state::State;
use crate::engine::backend::Token;

/// The way to the workers that make masks. They end when all of these are gone.
#[derive(Clone)]
pub struct Masks {
    jobs: Sender<Job>,
}

struct Job {
    work: Work,
    state: Box<State>,
    done: Sender<Done>,
}

/// How the state moves on before its mask is made.
enum Work {
    Begin(Vec<u8>),
    Token(Token),
}

struct Done {
    state: Box<State>,
    mask: Result<Vec<u32>, String>,
    /// For the next job: when a worker is lost, the other end notices.
    way: Sender<Done>,
}

impl Masks {
    /// Starts `workers` threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(workers: usize) -> io::Result<Self> {
        // Not bounded, but each sequence has one job at most.
        let (jobs, todo) = channel::unbounded::<Job>();
        for number in 0..workers.max(1) {
            let todo = todo.clone();
            thread::Builder::new().name(format!("mask-{number}")).spawn(move || todo.iter().for_each(Job::run))?;
        }
        Ok(Self { jobs })
    }
}

impl Job {
    fn run(self) {
        let Self { work, mut state, done } = self;
        let mask = catch_unwind(AssertUnwindSafe(|| {
            match work {
                Work::Begin(text) => state.accept_text(&text),
                Work::Token(token) => state.accept(token)?,
            }
            state.mask()
        }));
        let mask = mask.unwrap_or_else(|_| Err("the grammar broke down".into()));
        let back = done.clone();
        // Nobody takes it when the request has gone.
        let _ = back.send(Done { state, mask, way: done });
    }
}

/// An answer's grammar. See the head of this file.
pub struct Constraint {
    masks: Masks,
    gate: Gate,
    stage: Stage,
    /// Where masks come back.
    back: Receiver<Done>,
}

enum Stage {
    /// Not begun.
    Off { state: Box<State>, done: Sender<Done> },
    /// With a worker.
    Away,
    /// The next token's mask.
    Here { state: Box<State>, mask: Vec<u32>, done: Sender<Done> },
    /// It cannot go on.
    Failed(String),
}

/// What a constraint says about the next token.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Any token may come.
    Free,
    /// One of these; see [`llamero_kernels::sampling::Sampler::sample_among`].
    Among(&'a [u32]),
    /// It is not known yet: see [`Constraint::wait`].
    Unknown,
    /// The answer cannot go on.
    Failed(&'a str),
}

impl Constraint {
    pub(super) fn new(masks: Masks, state: State, gate: Gate) -> Self {
        let (done, back) = channel::bounded(1);
        let mut constraint = Self { masks, gate, stage: Stage::Off { state: Box::new(state), done }, back };
        // The mask of the first token of an answer that begins with a tag serves until the tag has come.
        if constraint.gate.wants_mask() {
            constraint.begin(Vec::new());
        }
        constraint
    }

    /// Switches the grammar on where it waits for the end of the thinking: from the next token on the answer follows it.
    /// `text` is what of the answer has come already; what of it the grammar does not follow is passed over.
    pub fn start(&mut self, text: &[u8]) {
        self.gate.open();
        if matches!(self.stage, Stage::Off { .. }) {
            self.begin(text.to_vec());
        }
    }

    fn begin(&mut self, text: Vec<u8>) {
        if let Stage::Off { state, done } = std::mem::replace(&mut self.stage, Stage::Away) {
            self.send(Job { work: Work::Begin(text), state, done });
        }
    }

    fn send(&mut self, job: Job) {
        if self.masks.jobs.send(job).is_err() {
            self.stage = Stage::Failed("the workers that make masks have ended".into());
        }
    }

    /// What may come next.
    pub fn next_token(&mut self) -> Next<'_> {
        if self.gate.is_free() {
            return Next::Free;
        }
        self.take();
        match &mut self.stage {
            Stage::Here { mask, .. } => Next::Among(self.gate.widen(mask)),
            Stage::Failed(why) => Next::Failed(why),
            Stage::Off { .. } | Stage::Away => Next::Unknown,
        }
    }

    /// Waits until [`Self::next_token`] knows, for as long as `until` (`None`: however long it takes). False if it does not.
    pub fn wait(&mut self, until: Option<Instant>) -> bool {
        if !self.gate.is_free() && matches!(self.stage, Stage::Away) {
            let done = match until {
                Some(until) => self.back.recv_deadline(until).map_err(|error| error.is_timeout()),
                None => self.back.recv().map_err(|_| false),
            };
            match done {
                Ok(done) => self.put(done),
                Err(true) => return false,
                Err(false) => self.lost(),
            }
        }
        true
    }

    fn take(&mut self) {
        if !matches!(self.stage, Stage::Away) {
            return;
        }
        match self.back.try_recv() {
            Ok(done) => self.put(done),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.lost(),
        }
    }

    fn put(&mut self, done: Done) {
        let Done { state, mask, way: done } = done;
        self.stage = match mask {
            Ok(mask) => Stage::Here { state, mask, done },
            Err(why) => Stage::Failed(why),
        };
    }

    fn lost(&mut self) {
        self.stage = Stage::Failed("a worker that makes masks was lost".into());
    }

    /// A token was chosen that does not end the answer. `spelled` are its bytes with control tokens written out.
    pub fn accept(&mut self, token: Token, spelled: &[u8]) {
        match self.gate.accept(token, spelled) {
            Step::Stay => {}
            Step::Begin(text) => self.start(&text),
            Step::Follow => {
                self.take();
                match std::mem::replace(&mut self.stage, Stage::Away) {
                    Stage::Here { state, done, .. } => self.send(Job { work: Work::Token(token), state, done }),
                    other => self.stage = other,
                }
            }
        }
    }
}
