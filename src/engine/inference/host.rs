//! A loaded model at work: one step of its scheduler, its backend and the answers that come out.

use std::sync::Arc;
use std::time::Instant;

use super::desk::{Desk, Reply};
use super::request::{Answering, Ended, Sampled};
use crate::engine::backend::{Backend, DecodeError, Vocabulary};
use crate::engine::grammar::{Grammars, Masks};
use crate::engine::models::ModelId;
use crate::engine::scheduler::{Capacity, Plan, Ready, Scheduler};
use crate::engine::sequence::{RequestId, Verdict};

/// What the requests of a model came to in one step. Those that ended are out of the scheduler already.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers that are complete.
    pub ended: Vec<RequestId>,
    /// Requests whose batch could not be computed or whose answer cannot go on, and why.
    pub failed: Vec<(RequestId, String)>,
    /// Requests whose writer waits for slots.
    pub blocked: Vec<RequestId>,
    /// Whether anything was computed.
    pub stepped: bool,
    /// Whether the device or the model failed.
    pub broke: bool,
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
    grammars: Arc<Grammars>,
    plan: Plan,
    /// Rows that wait for their masks, so that nobody else does.
    late: Vec<Late>,
}

/// A row of logits whose mask was not there in time. Its sequence has no row in a batch until it has its token.
struct Late {
    ready: Ready,
    logits: Vec<f32>,
}

impl Host {
    /// A model with nothing to do, for at most `parallel` sequences at once (0: as many as memory holds).
    pub fn new(id: ModelId, backend: Box<dyn Backend>, parallel: usize, masks: Masks) -> Self {
        let vocabulary = backend.vocabulary();
        Self {
            id,
            scheduler: Scheduler::new(Capacity::of(backend.facts(), parallel)),
            stepped_at: 0,
            left_waiting: 0,
            grammars: Arc::new(Grammars::new(vocabulary.clone(), masks)),
            vocabulary,
            backend,
            plan: Plan::default(),
            late: Vec::new(),
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

    /// Its grammars.
    pub fn grammars(&self) -> &Arc<Grammars> {
        &self.grammars
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
        self.answer_late(desk, now, &mut outcome);
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
        let begun = Instant::now();
        match self.backend.decode(&self.plan.batch) {
            Ok(()) => self.answer(desk, begun, clock(), &mut outcome),
            Err(error) => self.give_up(&error, &mut outcome),
        }
        outcome
    }

    /// A token for each sequence that has caught up. Masks that are not there yet get a quarter of the time since
    /// `begun`, the beginning of the step, once the others have their tokens.
    fn answer(&mut self, desk: &mut Desk, begun: Instant, now: u64, outcome: &mut Outcome) {
        let mut unknown = Vec::new();
        for index in 0..self.plan.ready.len() {
            let ready = self.plan.ready[index];
            let here = Instant::now();
            if desk.answering(ready.request).is_some_and(|(answering, _)| !answering.knows_next(Some(here))) {
                unknown.push(ready);
            } else {
                self.answer_one(desk, ready, None, now, outcome);
            }
        }
        let until = Instant::now() + begun.elapsed() / 4;
        for ready in unknown {
            if desk.answering(ready.request).is_some_and(|(answering, _)| !answering.knows_next(Some(until))) {
                // After a preemption it may be in the list already, with an older row.
                self.late.retain(|late| late.ready.request != ready.request);
                self.late.push(Late { ready, logits: self.backend.logits(ready.row).to_vec() });
            } else {
                self.answer_one(desk, ready, None, now, outcome);
            }
        }
    }

    /// Tokens for the rows whose masks have come meanwhile.
    fn answer_late(&mut self, desk: &mut Desk, now: u64, outcome: &mut Outcome) {
        for mut late in std::mem::take(&mut self.late) {
            let here = Instant::now();
            let Some((answering, _)) = desk.answering(late.ready.request) else { continue };
            if answering.knows_next(Some(here)) {
                self.answer_one(desk, late.ready, Some(&mut late.logits), now, outcome);
                outcome.stepped = true;
            } else {
                self.late.push(late);
            }
        }
    }

    /// Waits for the first of the masks that rows wait for: there is nothing else to do. False if no row waits.
    pub fn await_late(&mut self, desk: &mut Desk) -> bool {
        let Some(late) = self.late.first() else { return false };
        if let Some((answering, _)) = desk.answering(late.ready.request) {
            answering.knows_next(None);
        }
        true
    }

    /// The next token of a sequence, from its row in the last batch or one that was kept.
    fn answer_one(&mut self, desk: &mut Desk, ready: Ready, kept: Option<&mut [f32]>, now: u64, outcome: &mut Outcome) {
        let Some((answering, mut reply)) = desk.answering(ready.request) else {
            // Nobody waits for its token: the sequence goes too.
            self.scheduler.leave(ready.request);
            return;
        };
        if answering.wants_nothing() {
            self.end(answering, &mut reply, ready, Ended::Length, now, outcome);
            return;
        }
        let logits = match kept {
            Some(logits) => logits,
            None => self.backend.logits(ready.row),
        };
        let ended = match answering.sample(logits, &*self.vocabulary, now) {
            Sampled::Ended(ended) => Some(ended),
            Sampled::Token(token) => {
                let verdict = self.scheduler.sampled(ready.request, token);
                (verdict == Verdict::Length).then_some(Ended::Length)
            }
            Sampled::Failed(why) => {
                self.scheduler.leave(ready.request);
                outcome.failed.push((ready.request, why));
                return;
            }
        };
        if let Some(ended) = ended {
            self.end(answering, &mut reply, ready, ended, now, outcome);
            return;
        }
        answering.write(reply.writer, reply.outbox, false);
        if !reply.writer.is_drained() {
            outcome.blocked.push(ready.request);
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
        outcome.broke = matches!(error, DecodeError::Failed(_));
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
