//! A loaded model at work: one step of its scheduler, its backend and the answers that come out.

use std::sync::Arc;

use super::desk::{Desk, Reply};
use super::request::{Answering, Ended};
use crate::engine::backend::{Backend, DecodeError, Vocabulary};
use crate::engine::models::ModelId;
use crate::engine::scheduler::{Capacity, Plan, Ready, Scheduler};
use crate::engine::sequence::{RequestId, Verdict};

/// What the requests of a model came to in one step. Those that ended are out of the scheduler already.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers that are complete.
    pub ended: Vec<RequestId>,
    /// Requests whose batch could not be computed, and why.
    pub failed: Vec<(RequestId, String)>,
    /// Requests whose writer waits for slots.
    pub blocked: Vec<RequestId>,
    /// Whether anything was computed.
    pub stepped: bool,
}

/// A loaded model. See the head of this file.
pub struct Host {
    /// Its name.
    pub id: ModelId,
    /// Who waits and who runs.
    pub scheduler: Scheduler,
    /// When its last step was planned: the model that waited longest is next.
    pub stepped_at: u64,
    /// Requests that were left waiting for their first admission by the last plan.
    pub left_waiting: usize,
    backend: Box<dyn Backend>,
    vocabulary: Arc<dyn Vocabulary>,
    plan: Plan,
}

impl Host {
    /// A model with nothing to do, for at most `parallel` sequences at once (0: as many as memory holds).
    pub fn new(id: ModelId, backend: Box<dyn Backend>, parallel: usize) -> Self {
        Self {
            id,
            scheduler: Scheduler::new(Capacity::of(backend.facts(), parallel)),
            stepped_at: 0,
            left_waiting: 0,
            vocabulary: backend.vocabulary(),
            backend,
            plan: Plan::default(),
        }
    }

    /// The model.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Its tokens.
    pub fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        &self.vocabulary
    }

    /// Gives the model up, for another thread to free its memory.
    pub fn into_backend(self) -> Box<dyn Backend> {
        self.backend
    }

    /// One step, if there is anything to do.
    pub fn step(&mut self, desk: &mut Desk, clock: &dyn Fn() -> u64) -> Outcome {
        let mut outcome = Outcome::default();
        let now = clock();
        self.stepped_at = now;
        self.scheduler.plan(&mut self.plan);
        self.left_waiting = self.scheduler.newcomers();
        for &id in &self.plan.admitted {
            if let Some((answering, _)) = desk.answering(id) {
                answering.admitted(now);
            }
        }
        if self.plan.is_empty() {
            return outcome;
        }
        outcome.stepped = true;
        for op in &self.plan.ops {
            op.apply(&mut *self.backend);
        }
        if self.plan.batch.is_empty() {
            return outcome;
        }
        match self.backend.decode(&self.plan.batch) {
            Ok(()) => self.answer(desk, clock(), &mut outcome),
            Err(error) => self.give_up(&error, &mut outcome),
        }
        outcome
    }

    /// A token for each sequence that has caught up.
    fn answer(&mut self, desk: &mut Desk, now: u64, outcome: &mut Outcome) {
        for index in 0..self.plan.ready.len() {
            let ready = self.plan.ready[index];
            let Some((answering, mut reply)) = desk.answering(ready.request) else {
                // Nobody waits for its token: the sequence goes too.
                self.scheduler.leave(ready.request);
                continue;
            };
            if answering.wants_nothing() {
                self.end(answering, &mut reply, ready, Ended::Length, now, outcome);
                continue;
            }
            let (token, ended) = answering.sample(self.backend.logits(ready.row), &*self.vocabulary, now);
            let ended = ended.or_else(|| {
                let verdict = self.scheduler.sampled(ready.request, token);
                (verdict == Verdict::Length).then_some(Ended::Length)
            });
            if let Some(ended) = ended {
                self.end(answering, &mut reply, ready, ended, now, outcome);
                continue;
            }
            answering.write(reply.writer, reply.outbox, false);
            if !reply.writer.is_drained() {
                outcome.blocked.push(ready.request);
            }
        }
    }

    fn end(
        &mut self,
        answering: &mut Answering,
        reply: &mut Reply<'_>,
        ready: Ready,
        ended: Ended,
        now: u64,
        outcome: &mut Outcome,
    ) {
        answering.release();
        answering.write(reply.writer, reply.outbox, true);
        let mut end = answering.end(ended, &*self.vocabulary, now);
        end.total_ns = now.saturating_sub(reply.received_ns);
        end.load_ns = reply.load_ns;
        reply.writer.finish(reply.outbox, &end);
        self.scheduler.leave(ready.request);
        outcome.ended.push(ready.request);
    }

    /// The batch could not be computed: everyone in it has lost a row and cannot go on.
    fn give_up(&mut self, error: &DecodeError, outcome: &mut Outcome) {
        tracing::error!(%error, rows = self.plan.batch.len(), "a decode step failed");
        let mut sequences = self.plan.batch.sequences.clone();
        sequences.dedup();
        for sequence in sequences {
            if let Some(id) = self.scheduler.request_of(sequence) {
                self.scheduler.leave(id);
                outcome.failed.push((id, error.to_string()));
            }
        }
    }
}
