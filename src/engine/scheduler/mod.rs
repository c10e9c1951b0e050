//! Continuous batching for one model's context: which rows to compute next, and who waits.
//!
//! A pure state machine: no clock, no threads, no model. [`Scheduler::plan`] lists what one step does; the caller does
//! it, and tells with [`Scheduler::sampled`] and [`Scheduler::leave`] what came out. The rules:
//!
//! - Every running sequence that misses a single token (a decode) gets it in every step. Those that miss more
//!   (prefills) get what is left of the chunk: half of it the oldest of them, so that it is never shut out, the rest
//!   those that miss least, so that a short prompt is not held up by a long one before it. Prompts of one length are
//!   thus computed one after another: shared evenly, the first token of each would come as late as that of the last.
//! - Requests are admitted first in, first out, when the pool has cells for their tokens and for some growth of
//!   everyone running. Nobody overtakes, so nobody starves.
//! - The cells of a sequence that left stay occupied in llama.cpp for a while, although they count as free ([`Departed`]):
//!   those who still run then find their next cells behind the ones they have, as they would alone.
//! - When the pool runs dry all the same, the sequence admitted last gives its cells back, goes to the front of the
//!   queue with all it knows, and is computed again later. A paused one goes before any that could run. The oldest
//!   sequence is never the victim of a younger one, so there is always progress.

use std::collections::{HashMap, VecDeque};

use super::backend::{Facts, Pos, SeqId, Token};
use super::sequence::{RequestId, Sequence, Verdict};
use crate::config::limits::{
    ADMISSION_RESERVE_CELLS, DEPARTED_CELLS_MAX, PLAIN_PREFILL_TOKENS, PREFILL_CHUNK_TOKENS, SEQUENCES_MAX,
};

mod cells;
mod departed;
mod integrity;
mod plan;
pub mod trace;

#[cfg(test)]
mod tests;

pub use cells::{Cells, SequenceIds};
pub use departed::Departed;
pub use integrity::Broken;
pub use plan::{Op, Plan, Ready};

/// How many rows and sequences a scheduler may hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Cells of the KV pool.
    pub cells: usize,
    /// Most rows in one batch.
    pub rows: usize,
    /// Most rows of prefill in a batch that also decodes.
    pub chunk: usize,
    /// Most sequences that run at once.
    pub sequences: usize,
    /// Most rows in a batch whose prefills are all short: [`Facts::plain_rows`].
    pub plain_rows: usize,
    /// Cells kept back at admission for each running sequence to grow into.
    pub reserve: usize,
    /// Cells of sequences that left which may stay occupied while others run.
    pub departed: usize,
}

impl Capacity {
    /// What `facts` allow, with at most `parallel` sequences (`OLLAMA_NUM_PARALLEL`; 0: as many as memory holds).
    pub fn of(facts: &Facts, parallel: usize) -> Self {
        let parallel = if parallel == 0 { SEQUENCES_MAX } else { parallel };
        Self {
            cells: facts.cells as usize,
            rows: facts.batch_rows,
            chunk: PREFILL_CHUNK_TOKENS,
            sequences: facts.sequences.min(SEQUENCES_MAX).min(parallel),
            plain_rows: facts.plain_rows,
            reserve: ADMISSION_RESERVE_CELLS,
            departed: DEPARTED_CELLS_MAX,
        }
    }
}

/// The state machine. See the head of this file.
#[derive(Debug)]
pub struct Scheduler {
    rows: usize,
    chunk: usize,
    plain_rows: usize,
    reserve: usize,
    cells: Cells,
    ids: SequenceIds,
    /// First in, first out; preempted ones at the front.
    waiting: VecDeque<Sequence>,
    /// The running sequences, by sequence id.
    running: Vec<Option<Sequence>>,
    /// Their ids, the one admitted first in front.
    order: Vec<SeqId>,
    places: HashMap<RequestId, SeqId>,
    departed: Departed,
    /// Who gets rows in this step, in order; scratch of `plan`.
    turns: Vec<SeqId>,
    /// Rows of this step's prefill for each sequence id; scratch of `plan`.
    shares: Vec<usize>,
    /// Missing tokens, place by age and sequence id of each prefill; scratch of `plan`.
    prefills: Vec<(usize, usize, SeqId)>,
}

impl Scheduler {
    /// A scheduler with nothing to do.
    pub fn new(capacity: Capacity) -> Self {
        // Everyone running gets a row in every step, so there may not be more of them than rows, nor than the chunk.
        let sequences = capacity.sequences.min(capacity.rows).min(capacity.chunk).max(1);
        Self {
            rows: capacity.rows.max(1),
            chunk: capacity.chunk.max(1),
            plain_rows: capacity.plain_rows.max(1),
            reserve: capacity.reserve,
            cells: Cells::new(capacity.cells),
            ids: SequenceIds::new(sequences),
            waiting: VecDeque::new(),
            running: vec![None; sequences],
            order: Vec::with_capacity(sequences),
            places: HashMap::new(),
            departed: Departed::new(capacity.departed),
            turns: Vec::with_capacity(sequences),
            shares: vec![0; sequences],
            prefills: Vec::with_capacity(sequences),
        }
    }

    /// Puts a sequence at the end of the queue. Its context must not exceed the pool ([`Cells::total`]), so that it can
    /// always run alone; its id must be new.
    pub fn submit(&mut self, sequence: Sequence) {
        debug_assert!(sequence.limits().context <= self.cells.total());
        self.waiting.push_back(sequence);
    }

    /// Requests that wait for admission.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Those of them that have never run.
    pub fn newcomers(&self) -> usize {
        self.waiting.iter().filter(|sequence| !sequence.was_admitted()).count()
    }

    /// Takes out the request that came last, if it has never run: the queue is too long.
    pub fn turn_away(&mut self) -> Option<RequestId> {
        self.waiting.back().filter(|sequence| !sequence.was_admitted())?;
        self.waiting.pop_back().map(|newest| newest.id())
    }

    /// Sequences that run, paused ones among them.
    pub fn running(&self) -> usize {
        self.order.len()
    }

    /// The count of cells.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The running or waiting sequence of a request.
    pub fn get(&self, id: RequestId) -> Option<&Sequence> {
        match self.places.get(&id) {
            Some(&place) => self.running.get(place as usize)?.as_ref(),
            None => self.waiting.iter().find(|sequence| sequence.id() == id),
        }
    }

    /// The sequence id that a request runs under for now.
    pub fn sequence_id(&self, id: RequestId) -> Option<SeqId> {
        self.places.get(&id).copied()
    }

    /// The request that runs under a sequence id for now.
    pub fn request_of(&self, sequence: SeqId) -> Option<RequestId> {
        self.running.get(usize::try_from(sequence).ok()?)?.as_ref().map(Sequence::id)
    }

    fn get_mut(&mut self, id: RequestId) -> Option<&mut Sequence> {
        match self.places.get(&id) {
            Some(&place) => self.running.get_mut(place as usize)?.as_mut(),
            None => self.waiting.iter_mut().find(|sequence| sequence.id() == id),
        }
    }

    /// Holds a sequence: it keeps its place and its cells, unless others need them, but gets no rows.
    pub fn pause(&mut self, id: RequestId) {
        if let Some(sequence) = self.get_mut(id) {
            sequence.set_paused(true);
        }
    }

    /// Lets a held sequence go on with the next plan.
    pub fn resume(&mut self, id: RequestId) {
        if let Some(sequence) = self.get_mut(id) {
            sequence.set_paused(false);
        }
    }

    /// Tells the token sampled from a [`Ready`] row of the last plan.
    /// After [`Verdict::Length`] the caller lets the sequence [`leave`](Self::leave).
    pub fn sampled(&mut self, id: RequestId, token: Token) -> Verdict {
        self.get_mut(id).map_or(Verdict::Length, |sequence| sequence.push(token))
    }

    /// Takes a request out, finished or cancelled: it has no row in the next plan, which also frees its memory.
    /// False if there is no such request.
    pub fn leave(&mut self, id: RequestId) -> bool {
        if let Some(place) = self.places.get(&id).copied() {
            return self.vacate(place).is_some();
        }
        let found = self.waiting.iter().position(|sequence| sequence.id() == id);
        found.and_then(|index| self.waiting.remove(index)).is_some()
    }

    /// The next step, written into `plan` (its memory is reused). The caller must carry it out, or let every sequence
    /// in its batch leave.
    pub fn plan(&mut self, plan: &mut Plan) {
        plan.clear();
        if self.order.is_empty() || self.departed.is_full() {
            self.departed.remove(plan, &mut self.ids);
        }
        self.shift_full(plan);
        self.admit(plan);
        let decodes = self.share_rows();
        self.fill(plan, decodes);
        // The removals concern sequences without rows in this batch, and come before it.
        if self.cells.used() + self.departed.cells() > self.cells.total() {
            self.departed.remove(plan, &mut self.ids);
        }
    }

    /// Cells of sequences that left and are still occupied in llama.cpp; they count as free here.
    pub fn departed(&self) -> usize {
        self.departed.cells()
    }

    /// Makes room in the running sequences whose context is full.
    fn shift_full(&mut self, plan: &mut Plan) {
        for &id in &self.order {
            let Some(sequence) = &mut self.running[id as usize] else { continue };
            let before = sequence.computed();
            let Some(dropped) = sequence.shift() else { continue };
            let freed = before - sequence.computed();
            if freed == 0 {
                continue;
            }
            self.cells.give(freed);
            let (from, to) = (dropped.start as Pos, dropped.end as Pos);
            plan.ops.push(Op::Remove { sequence: id, from, to });
            plan.ops.push(Op::Shift { sequence: id, from: to, to: before as Pos, delta: from - to });
        }
    }

    /// Admits from the front of the queue as long as there is room. Paused ones are passed over: they would only hold
    /// cells, and their place in the queue waits for them.
    fn admit(&mut self, plan: &mut Plan) {
        while let Some(index) = self.waiting.iter().position(|sequence| !sequence.is_paused()) {
            self.waiting[index].shift();
            if !self.fits(&self.waiting[index]) {
                return;
            }
            if self.ids.free().is_empty() {
                self.departed.remove(plan, &mut self.ids);
            }
            let Some(id) = self.ids.take() else { return };
            let Some(mut sequence) = self.waiting.remove(index) else { return };
            sequence.set_admitted();
            plan.admitted.push(sequence.id());
            self.places.insert(sequence.id(), id);
            self.order.push(id);
            self.running[id as usize] = Some(sequence);
        }
    }

    /// Whether the pool has cells for what `candidate` and everyone running miss, and for each to grow a little: a
    /// newcomer that takes the last cells would be thrown out again, or throw others out, a step later.
    fn fits(&self, candidate: &Sequence) -> bool {
        let wants = |sequence: &Sequence| sequence.missing() + sequence.growth().min(self.reserve);
        let promised: usize = self.running.iter().flatten().map(wants).sum();
        // Alone it always fits: its context is no larger than the pool.
        self.order.is_empty() || promised + wants(candidate) <= self.cells.free()
    }

    /// Shares this step's prefill rows among the sequences that miss more than one token, as the head of this file says.
    /// Returns the number of decodes.
    fn share_rows(&mut self) -> usize {
        self.prefills.clear();
        let mut decodes = 0;
        for &id in &self.order {
            let Some(sequence) = &self.running[id as usize] else { continue };
            match sequence.missing() {
                _ if sequence.is_paused() => {}
                0 => {}
                1 => decodes += 1,
                missing => self.prefills.push((missing, self.prefills.len(), id)),
            }
        }
        let Some(&(missing, _, oldest)) = self.prefills.first() else { return decodes };
        // There is a prefill besides the decodes, and a row for everyone.
        let is_plain = self.prefills.iter().all(|&(missing, ..)| missing <= PLAIN_PREFILL_TOKENS);
        let rows = if is_plain { self.plain_rows.clamp(decodes + 1, self.rows) } else { self.rows };
        let mut budget = if decodes == 0 { rows } else { self.chunk.min(rows - decodes) };
        let granted = missing.min(budget.div_ceil(2));
        budget -= granted;
        self.prefills.sort_unstable();
        for &(missing, _, id) in &self.prefills {
            let before = if id == oldest { granted } else { 0 };
            let more = (missing - before).min(budget);
            self.shares[id as usize] = before + more;
            budget -= more;
        }
        decodes
    }

    /// Gives everyone their rows, the oldest first. A victim of a preemption has no rows in this plan: it is paused, or
    /// its turn has not come.
    fn fill(&mut self, plan: &mut Plan, mut decodes: usize) {
        let mut turns = std::mem::take(&mut self.turns);
        turns.clone_from(&self.order);
        for &id in &turns {
            let Some(sequence) = &self.running[id as usize] else { continue };
            let wanted = match sequence.missing() {
                _ if sequence.is_paused() => continue,
                0 => continue,
                1 => {
                    decodes -= 1;
                    1
                }
                _ if self.shares[id as usize] == 0 => continue,
                // A cell for each younger decode stays; but an old prefill gets one, whoever has to go for it.
                _ => self.shares[id as usize].min(self.cells.free().saturating_sub(decodes)).max(1),
            };
            if self.make_room(id, plan) {
                let count = self.cells.take(wanted);
                self.emit(id, count, plan);
            }
        }
        self.turns = turns;
    }

    /// Sees to a free cell for `id`, at the cost of others or of itself. False if it had to go itself.
    fn make_room(&mut self, id: SeqId, plan: &mut Plan) -> bool {
        while self.cells.free() == 0 {
            let paused = |&&other: &&SeqId| self.running[other as usize].as_ref().is_some_and(Sequence::is_paused);
            let Some(&victim) = self.order.iter().rev().find(paused).or(self.order.last()) else { return false };
            let Some(mut sequence) = self.vacate(victim) else { return false };
            sequence.forget();
            plan.preempted.push(sequence.id());
            self.waiting.push_front(sequence);
            if victim == id {
                return false;
            }
        }
        true
    }

    /// Takes a running sequence out, with its id and its cells.
    fn vacate(&mut self, place: SeqId) -> Option<Sequence> {
        let sequence = self.running.get_mut(place as usize)?.take()?;
        self.places.remove(&sequence.id());
        self.order.retain(|&other| other != place);
        if sequence.computed() > 0 {
            self.cells.give(sequence.computed());
            self.departed.add(place, sequence.computed());
        } else {
            self.ids.give(place);
        }
        Some(sequence)
    }

    /// Writes `count` rows of a sequence, for which the cells are taken.
    fn emit(&mut self, id: SeqId, count: usize, plan: &mut Plan) {
        let Some(sequence) = &mut self.running[id as usize] else { return };
        let (from, tokens) = sequence.advance(count);
        for (offset, &token) in tokens.iter().enumerate() {
            plan.batch.push(token, (from + offset) as Pos, id, false);
        }
        if sequence.missing() == 0 {
            let row = plan.batch.len() - 1;
            plan.batch.wants_logits[row] = true;
            plan.ready.push(Ready { row, request: sequence.id(), sequence: id });
        }
    }
}
