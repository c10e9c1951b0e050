//! One network core: its connections, its replies, its side of the region and its socket to the engine.
//!
//! Everything here belongs to one thread. The engine's frames and the supervisor's letters both ring the core's bell.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use monoio::io::AsyncWriteRentExt;
use slab::Slab;

use super::bell::Bell;
use super::cell::{ConnCell, Phase};
use super::driver::Driver;
use super::replies::{Replies, Reply};
use crate::api::ollama::error::ApiError;
use crate::api::{Answer, App};
use crate::config::limits::{CONNECTIONS_PER_CORE_MAX, SWEEP_MS, UPLOADS_PER_CORE_MAX};
use crate::engine::frames;
use crate::engine::mailbox::{Mail, Mailbox};
use crate::engine::wire::{StreamKey, Submit, ToEngine};
use crate::http::date::DateCache;
use crate::stream::front::CoreFront;

/// Counts of a core that other threads may read.
#[derive(Debug, Default)]
pub struct CoreCounts {
    /// Open connections.
    pub connections: AtomicU64,
    /// Bytes copied out of slots: what slow clients made necessary.
    pub copied_bytes: AtomicU64,
}

impl CoreCounts {
    /// The counts by name.
    pub fn as_json(&self) -> serde_json::Value {
        serde_json::json!({
            "connections": self.connections.load(Ordering::Relaxed),
            "copied_bytes": self.copied_bytes.load(Ordering::Relaxed),
        })
    }
}

/// One network core.
pub struct Core {
    /// What handlers need.
    pub app: Arc<App>,
    driver: Driver,
    index: usize,
    replies: RefCell<Replies>,
    connections: RefCell<Slab<Rc<ConnCell>>>,
    /// Uploads under way: each holds memory of its own.
    uploads: Cell<usize>,
    /// One for each accepting task: expired when the server drains.
    acceptors: RefCell<Vec<Rc<ConnCell>>>,
    /// Sweeps so far: the clock of all deadlines, `SWEEP_MS` long.
    tick: Cell<u64>,
    draining: Cell<bool>,
    front: RefCell<Option<CoreFront>>,
    outgoing: Rc<Outgoing>,
    mailbox: Arc<Mailbox>,
    counts: Arc<CoreCounts>,
    date: RefCell<DateCache>,
}

/// Messages on their way to the engine.
#[derive(Default)]
struct Outgoing {
    queue: RefCell<VecDeque<ToEngine>>,
    /// The socket of an engine that has just come up, for the sender to take.
    fresh: RefCell<Option<std::os::unix::net::UnixStream>>,
    /// Counts engines: a sender that finds another number stops writing to the old socket.
    generation: Cell<u64>,
    /// True exactly when messages wait for another engine to take the place of this one.
    held: Cell<bool>,
    /// True exactly when no engine is up and none will come: requests are refused.
    given_up: Cell<Option<&'static str>>,
    sender: RefCell<Option<Waker>>,
}

impl Outgoing {
    fn push(&self, message: ToEngine) {
        self.queue.borrow_mut().push_back(message);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.sender.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// The next message for the socket of `generation`; `None` when another engine has come up.
    async fn next(&self, generation: u64) -> Option<ToEngine> {
        poll_fn(|context| {
            if self.generation.get() != generation {
                return Poll::Ready(None);
            }
            let next = if self.held.get() { None } else { self.queue.borrow_mut().pop_front() };
            if let Some(message) = next {
                return Poll::Ready(Some(message));
            }
            *self.sender.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits for an engine to come up.
    async fn connected(&self) -> (std::os::unix::net::UnixStream, u64) {
        poll_fn(|context| {
            if let Some(socket) = self.fresh.borrow_mut().take() {
                return Poll::Ready((socket, self.generation.get()));
            }
            *self.sender.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Core {
    /// A core without connections that has not heard of an engine yet.
    pub fn new(
        app: Arc<App>,
        driver: Driver,
        index: usize,
        mailbox: Arc<Mailbox>,
        counts: Arc<CoreCounts>,
    ) -> Rc<Core> {
        Rc::new(Core {
            app,
            driver,
            index,
            replies: RefCell::default(),
            connections: RefCell::default(),
            uploads: Cell::new(0),
            acceptors: RefCell::default(),
            tick: Cell::new(0),
            draining: Cell::new(false),
            front: RefCell::new(None),
            outgoing: Rc::default(),
            mailbox,
            counts,
            date: RefCell::default(),
        })
    }

    // ---- connections ------------------------------------------------------------------------------------------

    /// Takes a connection in; `None` when the core has as many as it may.
    pub fn admit(self: &Rc<Core>) -> Option<Admission> {
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= CONNECTIONS_PER_CORE_MAX || self.draining.get() {
            return None;
        }
        let cell = Rc::new(ConnCell::default());
        let place = connections.insert(cell.clone());
        self.counts.connections.store(connections.len() as u64, Ordering::Relaxed);
        Some(Admission { core: self.clone(), cell, place })
    }

    /// A place for one more upload, given back on drop; `None` when there are as many as there may be.
    pub fn admit_upload(&self) -> Option<UploadPlace<'_>> {
        let under_way = self.uploads.get();
        if under_way >= UPLOADS_PER_CORE_MAX {
            return None;
        }
        self.uploads.set(under_way + 1);
        Some(UploadPlace(&self.uploads))
    }

    /// How the core waits for the kernel, which decides who writes files.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// A cell that expires when the server drains, for a task that accepts connections.
    pub fn acceptor(&self) -> Rc<ConnCell> {
        let cell = Rc::new(ConnCell::default());
        self.acceptors.borrow_mut().push(cell.clone());
        cell
    }

    /// The tick at which something that starts now has taken `milliseconds`.
    pub fn deadline(&self, milliseconds: u64) -> u64 {
        self.tick.get() + milliseconds.div_ceil(SWEEP_MS) + 1
    }

    /// The tick at which a request that stands still from now on gets 408.
    pub fn read_deadline(&self) -> u64 {
        self.deadline(self.app.settings.timeouts.read_ms)
    }

    /// The tick at which a client that takes nothing from now on is cut off.
    pub fn write_deadline(&self) -> u64 {
        self.deadline(self.app.settings.timeouts.write_ms)
    }

    /// Lends the text of a Date field for now.
    pub fn with_date<R>(&self, use_it: impl FnOnce(&str) -> R) -> R {
        // A clock before 1970 is a clock that was never set.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        use_it(self.date.borrow_mut().at(now.as_secs()))
    }

    /// Whether the server drains: answers then close their connection.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    // ---- replies ----------------------------------------------------------------------------------------------

    /// Sends a request to the engine and opens its reply.
    ///
    /// # Errors
    /// The answer, when the core has too many streams or the engine cannot be started.
    pub fn submit(self: &Rc<Core>, cell: &Rc<ConnCell>, mut request: Box<Submit>) -> Result<OpenReply, Answer> {
        if let Some(why) = self.outgoing.given_up.get() {
            return Err(Answer::error(500, why));
        }
        let Some(reply) = self.replies.borrow_mut().open(cell) else {
            return Err(ApiError::busy().into());
        };
        request.stream = reply.key;
        self.outgoing.push(ToEngine::Submit(request));
        Ok(OpenReply { core: self.clone(), reply, ended: Cell::new(false) })
    }

    fn send_about(&self, message: ToEngine) {
        self.outgoing.push(message);
    }

    // ---- the core's own tasks -----------------------------------------------------------------------------------

    /// Serves the bell: letters from the supervisor, then frames from the engine.
    ///
    /// # Errors
    /// When the bell's descriptor fails.
    pub async fn answer_bell(self: Rc<Core>, mut bell: Bell) -> std::io::Result<()> {
        loop {
            for mail in self.mailbox.take() {
                self.read_mail(mail);
            }
            self.drain_frames();
            bell.rung().await?;
        }
    }

    fn read_mail(&self, mail: Mail) {
        match mail {
            Mail::Hold(answer) => {
                let is_free = self.replies.borrow().is_empty();
                self.outgoing.held.set(is_free);
                // A supervisor that has waited for too long goes on without.
                let _ = answer.try_send(is_free);
            }
            Mail::Resume => {
                self.outgoing.held.set(false);
                self.outgoing.wake();
            }
            Mail::EngineUp { region, socket } => {
                let front = CoreFront::new(region, self.index);
                let outgoing = self.outgoing.clone();
                front.on_starved(Box::new(move || outgoing.push(ToEngine::Wake)));
                *self.front.borrow_mut() = Some(front);
                self.outgoing.generation.set(self.outgoing.generation.get() + 1);
                self.outgoing.given_up.set(None);
                *self.outgoing.fresh.borrow_mut() = Some(socket);
                self.outgoing.wake();
            }
            Mail::EngineDown { why, will_restart } => {
                // Frames that it finished before it went are still good.
                self.drain_frames();
                *self.front.borrow_mut() = None;
                self.outgoing.generation.set(self.outgoing.generation.get() + 1);
                self.outgoing.held.set(false);
                self.outgoing.fresh.borrow_mut().take();
                self.outgoing.given_up.set((!will_restart).then_some(why));
                self.forget_engine(why, will_restart);
                self.outgoing.wake();
            }
        }
    }

    /// Breaks the replies that the engine took with it. Requests that were not sent yet go to the next engine.
    fn forget_engine(&self, why: &'static str, will_restart: bool) {
        let mut queue = self.outgoing.queue.borrow_mut();
        // A client that left meanwhile wants nothing of the next one.
        let wanted = |message: &ToEngine| match message {
            ToEngine::Submit(submit) => self.replies.borrow().is_open(submit.stream),
            _ => false,
        };
        queue.retain(|message| will_restart && wanted(message));
        let unsent: Vec<StreamKey> = queue
            .iter()
            .filter_map(|message| if let ToEngine::Submit(submit) = message { Some(submit.stream) } else { None })
            .collect();
        self.replies.borrow().break_all_but(&unsent, why);
    }

    fn drain_frames(&self) {
        let outcome = {
            let front = self.front.borrow();
            let Some(front) = front.as_ref() else { return };
            let replies = self.replies.borrow();
            let outcome = front.drain(|key, slot| {
                if replies.deliver(key, slot) {
                    self.outgoing.push(ToEngine::Pause(key));
                }
            });
            self.counts.copied_bytes.store(front.counters().copied_bytes, Ordering::Relaxed);
            outcome
        };
        if let Err(violation) = outcome {
            // The region can no longer be believed: that engine is finished, whatever its process says.
            tracing::error!(%violation, "the engine broke the rules of the shared region");
            *self.front.borrow_mut() = None;
            self.app.engine.condemn();
        }
    }

    /// Writes messages to whichever engine is up.
    pub async fn send_to_engine(self: Rc<Core>) {
        let mut frame = Vec::new();
        loop {
            let (socket, generation) = self.outgoing.connected().await;
            let Ok(mut socket) = monoio::net::UnixStream::from_std(socket) else { continue };
            while let Some(message) = self.outgoing.next(generation).await {
                frame.clear();
                frame = match frames::put(&message, frame) {
                    Ok(frame) => frame,
                    Err(error) => {
                        self.refuse_message(&message, &error);
                        Vec::new()
                    }
                };
                let (result, returned) = socket.write_all(frame).await;
                frame = returned;
                if result.is_err() {
                    // The supervisor sees the same end of the engine and tells us.
                    break;
                }
            }
        }
    }

    /// A request that cannot be put on the wire breaks its reply: nobody else knows of it.
    fn refuse_message(&self, message: &ToEngine, error: &frames::FrameError) {
        tracing::error!(%error, "a message to the engine could not be written");
        if let ToEngine::Submit(submit) = message {
            self.replies.borrow().break_one(submit.stream, "the request is too large");
        }
    }

    /// Looks at all deadlines every `SWEEP_MS` until the server is told to stop and all connections have ended.
    pub async fn sweep(self: Rc<Core>) {
        let mut drain_until = None;
        loop {
            monoio::time::sleep(Duration::from_millis(SWEEP_MS)).await;
            self.tick.set(self.tick.get() + 1);
            let tick = self.tick.get();
            if self.app.is_stopping() && drain_until.is_none() {
                self.draining.set(true);
                self.acceptors.borrow().iter().for_each(|cell| cell.expire());
                drain_until = Some(Instant::now() + self.app.drain_time());
            }
            let past_drain = drain_until.is_some_and(|until| Instant::now() >= until);
            for (_, cell) in &*self.connections.borrow() {
                if past_drain || (self.draining.get() && cell.phase() == Phase::Idle) {
                    cell.expire();
                } else {
                    cell.sweep(tick);
                }
            }
            if self.draining.get() && (self.connections.borrow().is_empty() || past_drain) {
                return;
            }
        }
    }
}

/// A connection's place in its core, given back on drop.
pub struct Admission {
    /// The core.
    pub core: Rc<Core>,
    /// The connection as its core sees it.
    pub cell: Rc<ConnCell>,
    place: usize,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut connections = self.core.connections.borrow_mut();
        connections.remove(self.place);
        self.core.counts.connections.store(connections.len() as u64, Ordering::Relaxed);
    }
}

/// An upload's place in its core.
pub struct UploadPlace<'a>(&'a Cell<usize>);

impl Drop for UploadPlace<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A reply that the engine owes. Dropped before its last slot came, it cancels the sequence.
pub struct OpenReply {
    core: Rc<Core>,
    /// What comes in.
    pub reply: Rc<Reply>,
    /// True exactly when the last slot has come, or the engine has gone.
    ended: Cell<bool>,
}

impl OpenReply {
    /// The last slot has come: nothing is left to cancel.
    pub fn ended(&self) {
        self.ended.set(true);
    }

    /// Lets a paused sequence go on when everything that came has been sent.
    pub fn caught_up_if_drained(&self) {
        let mut inflow = self.reply.inflow.borrow_mut();
        if inflow.paused && !inflow.has_news() {
            inflow.paused = false;
            self.core.send_about(ToEngine::Resume(self.reply.key));
        }
    }
}

impl Drop for OpenReply {
    fn drop(&mut self) {
        self.core.replies.borrow_mut().close(self.reply.key);
        if !self.ended.get() {
            self.core.send_about(ToEngine::Cancel(self.reply.key));
        }
    }
}
