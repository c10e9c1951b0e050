//! Which models are loaded, for whom, and which one goes when another needs its place.
//!
//! A pure state machine: time comes as an argument (`CLOCK_MONOTONIC`, nanoseconds), and what is to be done comes out
//! as [`Action`]s. The rules (the behaviour page, sections 2.1 and 8.2, and the design's list of differences):
//!
//! - Names with the same blob share a loaded model, and requests for a model that is loading share the load.
//! - A model stays for its keep-alive after its last request. A request may set that; one that does not leaves it.
//! - When there is no room, the least recently used idle model goes. When none is idle, the least recently used one
//!   takes no more requests and goes when it is; meanwhile the requests wait, first in, first out.
//! - A load that nobody waits for any more is stopped.

use std::collections::VecDeque;

use super::backend::{Facts, LoadPlan};
use super::loader::{LoadError, StopLoad};
use super::sequence::RequestId;
use super::wire::{KeepAlive, LoadOptions, Loaded, ModelRef};
use crate::config::limits::LOADED_MODELS_MAX;

mod room;
#[cfg(test)]
mod tests;

pub use room::Room;

/// Names one loaded model. A model that is loaded again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub u64);

/// A request that wants a model.
#[derive(Debug, Clone)]
pub struct Want {
    /// Which request.
    pub request: RequestId,
    /// Which model, and how it shall be loaded if it is not.
    pub model: ModelRef,
    /// How long the model shall stay afterwards.
    pub keep_alive: Option<KeepAlive>,
}

/// What the caller has to do.
#[derive(Debug)]
pub enum Action {
    /// Load a model, then tell [`Models::loaded`].
    Load {
        /// Its name from now on.
        model: ModelId,
        /// How.
        plan: LoadPlan,
        /// Bytes that it will take; 0: not known.
        needed: u64,
        /// Tells that it is not wanted any more.
        stop: StopLoad,
    },
    /// Give the memory of a model back.
    Unload(ModelId),
    /// A request has its model. It ends with [`Models::release`].
    Grant {
        /// Which request.
        request: RequestId,
        /// Its model.
        model: ModelId,
    },
    /// A request gets no model.
    Refuse {
        /// Which request.
        request: RequestId,
        /// Why.
        error: LoadError,
    },
}

#[derive(Debug)]
enum State {
    Loading {
        waiters: Vec<RequestId>,
        stop: StopLoad,
    },
    /// `users` requests have it; without any, it is idle since `used_at`.
    Ready {
        facts: Facts,
        users: usize,
    },
}

#[derive(Debug)]
struct Entry {
    id: ModelId,
    model: ModelRef,
    plan: LoadPlan,
    state: State,
    keep_alive: KeepAlive,
    /// Bytes that it was expected to take.
    needed: u64,
    /// When a request last came or went.
    used_at: u64,
    /// Takes no more requests, and goes when it is idle.
    retiring: bool,
    /// Its client asked for it to go, as `ps` shows.
    unloading: bool,
}

impl Entry {
    fn is_idle(&self) -> bool {
        matches!(self.state, State::Ready { users: 0, .. })
    }

    fn bytes(&self) -> u64 {
        match &self.state {
            State::Loading { .. } => self.needed,
            State::Ready { facts, .. } => facts.bytes,
        }
    }

    fn expires_at(&self, now: u64) -> Option<u64> {
        let from = if self.is_idle() { self.used_at } else { now };
        match self.keep_alive {
            KeepAlive::Forever => None,
            KeepAlive::For(nanoseconds) => Some(from.saturating_add(nanoseconds)),
        }
    }

    /// Whether it has to be loaded again for `options`: only what was asked for counts, not what was left open
    /// (section 8.2). Another `num_ctx` needs that only if it exceeds the pool.
    fn contradicts(&self, options: &LoadOptions, context: u32) -> bool {
        let plan = &self.plan;
        let useful = match &self.state {
            State::Loading { .. } => context,
            State::Ready { facts, .. } => context.min(facts.trained_context),
        };
        useful > plan.cells
            || (options.num_batch != 0 && options.num_batch != plan.batch_rows)
            || (options.num_gpu >= 0 && options.num_gpu != plan.gpu_layers)
            || (options.main_gpu.is_some() && options.main_gpu != plan.main_gpu)
            || options.use_mmap.is_some_and(|mmap| mmap != plan.mmap)
            || (options.num_thread != 0 && options.num_thread != plan.threads)
    }
}

/// The loaded models. See the head of this file.
#[derive(Debug)]
pub struct Models {
    room: Room,
    entries: Vec<Entry>,
    /// Requests whose model cannot be loaded yet, in the order in which they came.
    pending: VecDeque<Want>,
    actions: Vec<Action>,
    named: u64,
    changed: bool,
    watch: Watch,
}

/// How far all loads together have come, and since when.
#[derive(Debug, Default)]
struct Watch {
    moves: u64,
    since: u64,
}

impl Models {
    /// None loaded yet.
    pub fn new(room: Room) -> Self {
        let models = if room.models == 0 { LOADED_MODELS_MAX } else { room.models.min(LOADED_MODELS_MAX) };
        let room = Room { models, ..room };
        Self {
            room,
            entries: Vec::new(),
            pending: VecDeque::new(),
            actions: Vec::new(),
            named: 0,
            changed: false,
            watch: Watch::default(),
        }
    }

    /// How many may be loaded, and how.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What is to be done since the last call, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether [`Self::list`] has changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Requests that wait for room or for a load.
    pub fn waiting(&self) -> usize {
        let waiters = |entry: &Entry| match &entry.state {
            State::Loading { waiters, .. } => waiters.len(),
            State::Ready { .. } => 0,
        };
        self.pending.len() + self.entries.iter().map(waiters).sum::<usize>()
    }

    /// A request wants a model. It is granted, refused, or waits until [`Self::abandon`].
    pub fn request(&mut self, want: Want, now: u64) {
        self.pending.push_back(want);
        self.serve_pending(now);
    }

    /// A request that waits does so no longer.
    pub fn abandon(&mut self, request: RequestId, now: u64) {
        self.pending.retain(|want| want.request != request);
        for entry in &mut self.entries {
            let State::Loading { waiters, stop } = &mut entry.state else { continue };
            let before = waiters.len();
            waiters.retain(|&waiter| waiter != request);
            if before > 0 && waiters.is_empty() {
                stop.stop();
                entry.retiring = true;
                self.changed = true;
            }
        }
        self.serve_pending(now);
    }

    /// A request that was granted a model has ended.
    pub fn release(&mut self, model: ModelId, now: u64) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == model) else { return };
        let State::Ready { users, .. } = &mut entry.state else { return };
        *users = users.saturating_sub(1);
        entry.used_at = now;
        self.changed = true;
        self.tick(now);
        self.serve_pending(now);
    }

    /// A client asks that a model goes when its requests have ended. Nothing happens if it is not loaded.
    pub fn unload(&mut self, model: &ModelRef, now: u64) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.model.path == model.path) else { return };
        entry.keep_alive = KeepAlive::For(0);
        entry.unloading = true;
        self.changed = true;
        self.tick(now);
        self.serve_pending(now);
    }

    /// A load has ended.
    pub fn loaded(&mut self, model: ModelId, result: Result<Facts, LoadError>, now: u64) {
        if !self.entries.iter().any(|entry| entry.id == model) {
            return;
        }
        let is_short = matches!(result, Err(LoadError::NoMemory | LoadError::TooLarge { .. }));
        // Without the models that nobody uses there may be room.
        let retry = is_short && self.evict_idle();
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == model) else { return };
        let State::Loading { waiters, stop } = &mut entry.state else { return };
        if retry {
            let (plan, needed, stop) = (entry.plan.clone(), entry.needed, stop.clone());
            self.actions.push(Action::Load { model, plan, needed, stop });
            return;
        }
        let waiters = std::mem::take(waiters);
        self.changed = true;
        match result {
            Ok(facts) => {
                entry.state = State::Ready { facts, users: waiters.len() };
                entry.used_at = now;
                self.actions.extend(waiters.into_iter().map(|request| Action::Grant { request, model }));
            }
            Err(error) => {
                self.entries.retain(|entry| entry.id != model);
                let refuse = |request| Action::Refuse { request, error: error.clone() };
                self.actions.extend(waiters.into_iter().map(refuse));
            }
        }
        self.tick(now);
        self.serve_pending(now);
    }

    /// Whether nothing is loaded, and nothing that anyone waits for.
    pub fn are_idle(&self) -> bool {
        let unwanted = |entry: &Entry| matches!(&entry.state, State::Loading { waiters, .. } if waiters.is_empty());
        self.pending.is_empty() && self.entries.iter().all(unwanted)
    }

    /// All models take no more requests, and go when they are idle: memory ran out, or something is wrong with it.
    pub fn retire_all(&mut self, now: u64) {
        for entry in self.entries.iter_mut().filter(|entry| matches!(entry.state, State::Ready { .. })) {
            entry.retiring = true;
            self.changed = true;
        }
        self.tick(now);
    }

    /// Refuses those who wait for loads that have stood still for too long. The loads may be stuck in the kernel, and are
    /// stopped when they come back. True if there were any.
    pub fn give_up_stalled(&mut self, now: u64) -> bool {
        let loading = |entry: &Entry| match &entry.state {
            State::Loading { stop, .. } => Some(stop.moves() + 1),
            State::Ready { .. } => None,
        };
        let moves: u64 = self.entries.iter().filter_map(loading).sum();
        if moves != self.watch.moves {
            self.watch = Watch { moves, since: now };
        }
        let limit = self.room.load_timeout;
        if moves == 0 || limit == 0 || now.saturating_sub(self.watch.since) < limit {
            return false;
        }
        // What waits for the same file, or for its memory, would wait as long.
        let mut refused: Vec<RequestId> = self.pending.drain(..).map(|want| want.request).collect();
        for entry in &mut self.entries {
            let State::Loading { waiters, stop } = &mut entry.state else { continue };
            stop.stop();
            entry.retiring = true;
            refused.append(waiters);
        }
        self.changed |= !refused.is_empty();
        let any = !refused.is_empty();
        let refuse = |request| Action::Refuse { request, error: LoadError::Stalled(limit) };
        self.actions.extend(refused.into_iter().map(refuse));
        any
    }

    /// Unloads the idle models whose time has come.
    pub fn tick(&mut self, now: u64) {
        let gone = |entry: &Entry| {
            entry.is_idle() && (entry.retiring || entry.expires_at(now).is_some_and(|expires| expires <= now))
        };
        let before = self.entries.len();
        for entry in self.entries.extract_if(.., |entry| gone(entry)) {
            self.actions.push(Action::Unload(entry.id));
        }
        if self.entries.len() < before {
            self.changed = true;
            self.serve_pending(now);
        }
    }

    /// When [`Self::tick`] and [`Self::give_up_stalled`] have to be called next.
    pub fn next_expiry(&self, now: u64) -> Option<u64> {
        let expiries = self.entries.iter().filter(|entry| entry.is_idle()).filter_map(|entry| entry.expires_at(now));
        // A load that moves is seen to do so in time.
        let look = now.saturating_add(self.room.load_timeout / 4);
        let waited = |entry: &Entry| matches!(&entry.state, State::Loading { waiters, .. } if !waiters.is_empty());
        let looks = self.room.load_timeout > 0 && self.entries.iter().any(waited);
        expiries.chain(looks.then_some(look)).min()
    }

    /// What `ps` shows, in the order of loading; a model that loads is there with what it is expected to take (the
    /// behaviour page, section 1.3). `unix_now` is the Unix time at `now`, in nanoseconds.
    pub fn list(&self, now: u64, unix_now: i64) -> Vec<Loaded> {
        let line = |entry: &Entry| {
            let (gpu_bytes, trained, cells) = match &entry.state {
                State::Ready { facts, .. } => (facts.gpu_bytes, facts.trained_context, facts.cells),
                State::Loading { .. } => (0, entry.model.trained_context, entry.plan.cells),
            };
            let left = |expires: u64| i64::try_from(expires.saturating_sub(now)).unwrap_or(i64::MAX);
            Loaded {
                model: entry.model.clone(),
                bytes: entry.bytes(),
                gpu_bytes,
                context: self.room.context(&entry.model.load, trained).min(cells),
                expires_unix_ns: entry.expires_at(now).map(|expires| unix_now.saturating_add(left(expires))),
                stopping: entry.unloading || entry.retiring,
            }
        };
        // A load that nobody waits for is on its way out, and was never there.
        let wanted = |entry: &&Entry| !matches!(&entry.state, State::Loading { waiters, .. } if waiters.is_empty());
        self.entries.iter().filter(wanted).map(line).collect()
    }

    /// Goes through the waiting requests in their order and grants or loads what is possible.
    fn serve_pending(&mut self, now: u64) {
        // Once one waits for room, no later one may take it.
        let mut room = true;
        for _ in 0..self.pending.len() {
            let Some(want) = self.pending.pop_front() else { return };
            if let Some(want) = self.serve(want, &mut room, now) {
                self.pending.push_back(want);
            }
        }
    }

    /// Serves a request, or gives it back if it has to wait. `room`: whether a load may be started.
    fn serve(&mut self, want: Want, room: &mut bool, now: u64) -> Option<Want> {
        let context = self.room.context(&want.model.load, want.model.trained_context);
        if let Some(index) = self.entries.iter().position(|entry| entry.model.path == want.model.path) {
            let entry = &mut self.entries[index];
            if !entry.retiring && !entry.contradicts(&want.model.load, context) {
                self.join(index, &want, now);
                return None;
            }
            // It is loaded again, the other way, when it is idle; until then its other clients keep it.
            entry.retiring = true;
            self.changed = true;
            if !entry.is_idle() {
                return Some(want);
            }
            self.evict(index);
        }
        let (plan, needed) = self.room.plan(&want.model);
        if !*room || !self.make_room(needed) {
            *room = false;
            return Some(want);
        }
        self.start(want, plan, needed, now);
        None
    }

    fn join(&mut self, index: usize, want: &Want, now: u64) {
        let entry = &mut self.entries[index];
        if let Some(keep_alive) = want.keep_alive {
            entry.keep_alive = keep_alive;
            entry.unloading = false;
        }
        entry.used_at = now;
        self.changed = true;
        match &mut entry.state {
            State::Loading { waiters, .. } => waiters.push(want.request),
            State::Ready { users, .. } => {
                *users += 1;
                self.actions.push(Action::Grant { request: want.request, model: entry.id });
            }
        }
    }

    fn start(&mut self, want: Want, plan: LoadPlan, needed: u64, now: u64) {
        self.named += 1;
        let (id, stop) = (ModelId(self.named), StopLoad::default());
        self.actions.push(Action::Load { model: id, plan: plan.clone(), needed, stop: stop.clone() });
        self.changed = true;
        self.entries.push(Entry {
            id,
            model: want.model,
            plan,
            state: State::Loading { waiters: vec![want.request], stop },
            keep_alive: want.keep_alive.unwrap_or(self.room.keep_alive),
            needed,
            used_at: now,
            retiring: false,
            unloading: false,
        });
    }

    /// Sees to room for one more model. False: it has to wait for one that is in use.
    fn make_room(&mut self, needed: u64) -> bool {
        loop {
            let used: u64 = self.entries.iter().map(Entry::bytes).sum();
            let fits = self.entries.len() < self.room.models && used.saturating_add(needed) <= self.room.bytes;
            if self.entries.is_empty() || fits {
                return true;
            }
            if !self.evict_idle() {
                self.retire_one();
                return false;
            }
        }
    }

    /// Unloads the least recently used idle model. False if none is idle.
    fn evict_idle(&mut self) -> bool {
        let idle = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_idle());
        let Some((index, _)) = idle.min_by_key(|(_, entry)| entry.used_at) else { return false };
        self.evict(index);
        true
    }

    fn evict(&mut self, index: usize) {
        let entry = self.entries.remove(index);
        self.actions.push(Action::Unload(entry.id));
        self.changed = true;
    }

    /// Lets the least recently used model take no more requests, unless one is on its way out already: without that, a
    /// model that is always in use would keep all others out.
    fn retire_one(&mut self) {
        if self.entries.iter().any(|entry| entry.retiring) {
            return;
        }
        if let Some(entry) = self.entries.iter_mut().min_by_key(|entry| entry.used_at) {
            entry.retiring = true;
            self.changed = true;
        }
    }
}
