//! The inference thread: it owns every loaded model and all requests, and writes their replies.
//!
//! One turn: take in what has come, do what the loaded models want done, move on replies that waited for slots, send
//! the paced streams that are due, and let the model that waited longest make one step. Then each core that got frames
//! is woken, once. Nothing in here blocks but the wait for the next message when there is nothing to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, TrySendError};

use super::backend::Backend;
use super::loader::LoadError;
use super::models::{ModelId, Models, Room};
use super::prepare::{PrepareError, Prepared};
use super::sequence::RequestId;
use super::wire::{Control, Count, Event, StreamKey, Submit};
use crate::config::limits::INBOX_MAX;
use crate::stream::back::Outbox;

mod desk;
mod grants;
mod host;
mod paced;
mod parts;
mod request;
mod requests;
mod wear;
mod workers;

pub use workers::Workers;

use desk::Desk;
use host::Host;
use request::Stage;
use wear::Wear;

/// What the inference thread is told.
pub enum Inbox {
    /// A new request.
    Submit {
        /// From this core.
        core: usize,
        /// The request.
        submit: Box<Submit>,
    },
    /// The client has gone.
    Cancel {
        /// On this core.
        core: usize,
        /// Its reply.
        stream: StreamKey,
    },
    /// The client is behind.
    Pause {
        /// On this core.
        core: usize,
        /// Its reply.
        stream: StreamKey,
    },
    /// The client has caught up.
    Resume {
        /// On this core.
        core: usize,
        /// Its reply.
        stream: StreamKey,
    },
    /// Slots came back to a core that had none.
    Wake,
    /// A core's socket has ended.
    CoreClosed {
        /// Which.
        core: usize,
    },
    /// A worker has made a prompt.
    Prepared {
        /// For this request.
        request: RequestId,
        /// The prompt.
        result: Result<Prepared, PrepareError>,
    },
    /// A load has ended.
    Loaded {
        /// Which.
        model: ModelId,
        /// The model.
        result: Result<Box<dyn Backend>, LoadError>,
    },
    /// The supervisor wants something.
    Control(Control),
}

/// How the thread runs.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which models may be loaded, and how.
    pub room: Room,
    /// Most sequences of a model at once (`OLLAMA_NUM_PARALLEL`); 0: as many as memory holds.
    pub parallel: usize,
    /// Requests that may wait for admission (`OLLAMA_MAX_QUEUE`).
    pub queue: usize,
    /// Whether another engine may take this one's place when it is spent.
    pub recycle: bool,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Something was done: there may be more to do.
    Busy,
    /// Nothing to do until a message comes or, if given, until this time (`CLOCK_MONOTONIC`, nanoseconds).
    Idle(Option<u64>),
}

/// The clock, `CLOCK_MONOTONIC` in nanoseconds; tests bring their own.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

/// The thread's state. See the head of this file.
pub struct Inference {
    settings: Settings,
    clock: Clock,
    desk: Desk,
    models: Models,
    hosts: Vec<Host>,
    workers: Workers,
    events: Sender<Event>,
    /// Paced streams by the time of their next event. Entries of streams that are gone or held are left in it.
    paced: BinaryHeap<Reverse<(u64, RequestId)>>,
    /// The supervisor has an old list of the loaded models.
    untold: bool,
    /// How long this engine is good for.
    wear: Wear,
    steps: u64,
    stopped: bool,
}

/// Runs the thread until [`Control::Stop`], or until nobody can send it anything any more.
pub fn run(mut inference: Inference, inbox: &Receiver<Inbox>) {
    loop {
        for letter in inbox.try_iter().take(INBOX_MAX) {
            inference.receive(letter);
        }
        if inference.stopped {
            return;
        }
        let Turn::Idle(until) = inference.turn() else { continue };
        if !inference.desk.wait_for_slots() {
            continue;
        }
        let now = (inference.clock)();
        let letter = match until {
            Some(until) => inbox.recv_timeout(Duration::from_nanos(until.saturating_sub(now))).ok(),
            None => match inbox.recv() {
                Ok(letter) => Some(letter),
                Err(_) => return,
            },
        };
        if let Some(letter) = letter {
            inference.receive(letter);
        }
    }
}

impl Inference {
    /// A thread with no models and no requests.
    pub fn new(settings: Settings, outbox: Outbox, workers: Workers, events: Sender<Event>, clock: Clock) -> Self {
        Self {
            models: Models::new(settings.room),
            settings,
            clock,
            desk: Desk::new(outbox),
            hosts: Vec::new(),
            workers,
            events,
            paced: BinaryHeap::new(),
            untold: false,
            wear: Wear::default(),
            steps: 0,
            stopped: false,
        }
    }

    /// Takes in a message. Nothing is computed, and no core is woken, before the next turn.
    pub fn receive(&mut self, letter: Inbox) {
        match letter {
            Inbox::Submit { core, submit } => self.submit(core, *submit),
            Inbox::Cancel { core, stream } => {
                if let Some(id) = self.desk.find(core, stream) {
                    self.cancel(id);
                }
            }
            Inbox::Pause { core, stream } => self.hold(core, stream, true),
            Inbox::Resume { core, stream } => self.hold(core, stream, false),
            // The next turn looks at the slots that came back.
            Inbox::Wake => {}
            Inbox::CoreClosed { core } => {
                for id in self.desk.all(|request| request.core == core) {
                    self.cancel(id);
                }
            }
            Inbox::Prepared { request, result } => self.prepared(request, result),
            Inbox::Loaded { model, result } => self.loaded(model, result),
            Inbox::Control(Control::Start(_)) => tracing::warn!("the engine has started already"),
            Inbox::Control(Control::Count) => {
                let count = self.count();
                self.tell(Event::Count(count));
            }
            Inbox::Control(Control::Stop) => self.stop(),
        }
    }

    /// One turn of the loop.
    pub fn turn(&mut self) -> Turn {
        let now = (self.clock)();
        self.models.tick(now);
        self.look_at_loads(now);
        self.carry_out();
        let pumped = self.pump();
        let paced = self.send_paced(now);
        let stepped = self.step();
        self.tell_models();
        self.desk.outbox.flush();
        if pumped || paced || stepped {
            return Turn::Busy;
        }
        let event = self.paced.peek().map(|Reverse((due, _))| *due);
        let again = self.tell_spent(now);
        Turn::Idle(event.into_iter().chain(self.models.next_expiry(now)).chain(again).min())
    }

    /// Lets the model that has waited longest, of those that have something to do, make a step.
    fn step(&mut self) -> bool {
        self.hosts.sort_by_key(|host| host.stepped_at);
        for index in 0..self.hosts.len() {
            let Some(host) = self.hosts.get_mut(index) else { break };
            let outcome = host.step(&mut self.desk, &self.clock);
            for &id in &outcome.blocked {
                host.scheduler.pause(id);
                self.desk.block(id);
            }
            let model = host.id;
            for id in outcome.ended {
                self.settle(id);
            }
            for (id, why) in outcome.failed {
                let message = format!("an error was encountered while running the model: {why}");
                self.fail(id, 500, &message);
            }
            self.shorten_queue(model);
            if outcome.broke {
                self.worn();
            }
            if outcome.stepped {
                self.steps += 1;
                return true;
            }
        }
        // With the mask there, the next turn makes a step.
        let desk = &mut self.desk;
        self.hosts.iter_mut().any(|host| host.await_late(desk))
    }

    /// Replies that waited for slots and have got them go on.
    fn pump(&mut self) -> bool {
        let drained = self.desk.pump();
        for &id in &drained {
            self.go_on(id);
        }
        !drained.is_empty()
    }

    /// Sends the next event of each paced stream that is due.
    fn send_paced(&mut self, now: u64) -> bool {
        let mut due = Vec::new();
        while let Some(&Reverse((at, id))) = self.paced.peek()
            && at <= now
        {
            self.paced.pop();
            due.push(id);
        }
        for &id in &due {
            self.send_one_paced(id, now);
        }
        !due.is_empty()
    }

    fn count(&mut self) -> Count {
        let scheduled: usize = self.hosts.iter().map(|host| host.scheduler.waiting()).sum();
        let running: usize = self.hosts.iter().map(|host| host.scheduler.running()).sum();
        let paced = self.desk.count(|request| matches!(request.stage, Stage::Paced(_)));
        let unprepared =
            self.desk.count(|request| matches!(request.stage, Stage::WantsModel { .. } | Stage::Preparing(_)));
        Count {
            running: (running + paced) as u32,
            waiting: (scheduled + unprepared) as u32,
            cells: self.hosts.iter().map(|host| host.scheduler.cells().used() as u64).sum(),
            slots_free: self.desk.free_slots() as u64,
            steps: self.steps,
        }
    }

    /// Sends the list of loaded models, if it has changed.
    fn tell_models(&mut self) {
        self.untold |= self.models.take_changed();
        if !self.untold {
            return;
        }
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let list = self.models.list((self.clock)(), i64::try_from(unix).unwrap_or(i64::MAX));
        // When the supervisor is behind, the list waits for the next turn, and is newer then.
        self.untold = matches!(self.events.try_send(Event::Models(list)), Err(TrySendError::Full(_)));
    }

    fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            tracing::warn!("the supervisor does not listen");
        }
    }

    /// Ends all requests with an error, and the thread.
    fn stop(&mut self) {
        for id in self.desk.all(|_| true) {
            self.fail(id, 503, "the server is stopping");
        }
        self.desk.outbox.flush();
        self.stopped = true;
    }
}
