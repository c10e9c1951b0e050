//! Starts the engine, listens to it, and starts it again when it has gone.
//!
//! A thread of its own owns the engine's process (or thread). Each engine has a region and sockets of its own; the
//! cores' bells stay. Nothing of a dead engine is used again: its region goes with the last frame that is still sent.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::frames::{self, FrameError};
use super::handover;
use super::mailbox::{Mail, Mailbox};
use super::openmp;
use super::wire::{Control, Count, EngineSettings, Event, Loaded};
use crate::config::limits::HANDOVER_MS;
use crate::stream::region::Region;

/// What clients are told whose engine went away (the behaviour page, section 1.14).
const WHY_DOWN: &str = "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details";
/// First pause before a restart; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
/// Longest pause before the restart of an engine that was ready: requests may wait for it.
const BACKOFF_READY_MAX: Duration = Duration::from_millis(320);
/// Longest pause before the restart of one that was not: it would only fail again.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// An engine that lived this long starts the pauses anew.
const STEADY: Duration = Duration::from_secs(10);
/// Starts in a row that may fail before waiting requests are refused.
const FAILED_STARTS_MAX: u32 = 4;
/// How long a stopping engine may take before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Where the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In a process of its own: what ends it costs the running streams an error, and nothing else.
    Child,
    /// In a thread of this process: tests, debugging, smallest footprint.
    Thread,
}

/// Runs an engine on its control socket until the socket ends. A thread-mode engine is this function.
pub type EngineMain = fn(&UnixStream) -> io::Result<()>;

/// The engine as the rest of the front sees it.
pub struct EngineHandle {
    /// The last list of loaded models that the engine sent.
    loaded: Mutex<Vec<Loaded>>,
    /// The control socket of the engine that is up.
    control: Mutex<Option<UnixStream>>,
    /// Who waits for a count.
    counters: Mutex<Vec<SyncSender<Count>>>,
    /// True exactly when the server stops: a lost engine is then not started again.
    stopping: AtomicBool,
    /// Process id of a child engine, 0 for none.
    child: Mutex<Option<u32>>,
    mailboxes: Vec<Arc<Mailbox>>,
}

impl EngineHandle {
    /// A handle to an engine that has not been started yet.
    pub fn new(mailboxes: Vec<Arc<Mailbox>>) -> Arc<EngineHandle> {
        Arc::new(EngineHandle {
            loaded: Mutex::default(),
            control: Mutex::default(),
            counters: Mutex::default(),
            stopping: AtomicBool::new(false),
            child: Mutex::default(),
            mailboxes,
        })
    }

    /// The loaded models, with all that was told to clients before; after `within`, or without an engine, as it told
    /// last. Blocks: for workers.
    pub fn loaded(&self, within: Duration) -> Vec<Loaded> {
        // Tokens come through the rings and overtake the list, which comes through the socket: what the engine answers
        // there now comes behind it.
        self.count(within);
        lock(&self.loaded).clone()
    }

    /// Process id of the engine, when it runs in a process of its own.
    pub fn process_id(&self) -> Option<u32> {
        *lock(&self.child)
    }

    /// What the engine holds; `None` when it is not up or does not answer in time. Blocks: for workers.
    pub fn count(&self, within: Duration) -> Option<Count> {
        let (sender, receiver) = mpsc::sync_channel(1);
        lock(&self.counters).push(sender);
        if !self.tell(&Control::Count) {
            lock(&self.counters).clear();
            return None;
        }
        receiver.recv_timeout(within).ok()
    }

    /// Gives the engine up: it broke the protocol, and nothing of it can be believed.
    pub fn condemn(&self) {
        if let Some(control) = lock(&self.control).as_ref() {
            // Its supervisor sees the end of the socket, kills what is left and starts another.
            let _ = control.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Stops the engine for good.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.tell(&Control::Stop);
    }

    /// Sends a message to the engine that is up. `false` when there is none.
    fn tell(&self, message: &Control) -> bool {
        let mut control = lock(&self.control);
        let told = control.as_mut().is_some_and(|socket| frames::write(socket, message).is_ok());
        if !told {
            *control = None;
        }
        told
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn post(&self, mail: impl Fn(usize) -> Option<Mail>) {
        for (core, mailbox) in self.mailboxes.iter().enumerate() {
            if let Some(letter) = mail(core) {
                mailbox.post(letter);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A started engine.
struct Running {
    control: UnixStream,
    /// The front's ends of the cores' sockets.
    sockets: Vec<UnixStream>,
    region: Arc<Region>,
    body: Body,
}

/// How an engine came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It never was ready for requests.
    Unready,
    /// It died, or the server stops.
    Gone,
    /// It was spent and had nothing in hand, and another takes its place.
    Replaced,
}

enum Body {
    Child(Child),
    Thread(thread::JoinHandle<io::Result<()>>),
}

/// Keeps an engine running until [`EngineHandle::stop`].
///
/// # Errors
/// When the supervisor's thread cannot be started.
pub fn supervise(
    handle: Arc<EngineHandle>,
    mode: Mode,
    settings: EngineSettings,
    main: EngineMain,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("supervisor".into()).spawn(move || {
        let mut pause = BACKOFF_MIN;
        let mut failures = 0;
        while !handle.is_stopping() {
            let born = Instant::now();
            let end = match start(&handle, mode, &settings, main) {
                Ok(running) => run(&handle, running),
                Err(error) => {
                    tracing::error!(%error, "the engine could not be started");
                    End::Unready
                }
            };
            let was_ready = end != End::Unready;
            failures = if was_ready { 0 } else { failures + 1 };
            let will_restart = failures < FAILED_STARTS_MAX;
            handle.post(|_| Some(Mail::EngineDown { why: WHY_DOWN, will_restart }));
            lock(&handle.loaded).clear();
            lock(&handle.counters).clear();
            if handle.is_stopping() {
                return;
            }
            if end == End::Replaced {
                tracing::debug!("another engine takes the place of one that is spent");
                continue;
            }
            if born.elapsed() >= STEADY {
                pause = BACKOFF_MIN;
            }
            if was_ready {
                pause = pause.min(BACKOFF_READY_MAX);
            }
            tracing::warn!(pause_ms = pause.as_millis() as u64, "the engine has gone and is started again");
            thread::sleep(pause);
            pause = (pause * 2).min(if was_ready { BACKOFF_READY_MAX } else { BACKOFF_MAX });
        }
    })
}

fn start(handle: &EngineHandle, mode: Mode, settings: &EngineSettings, main: EngineMain) -> io::Result<Running> {
    let cores = handle.mailboxes.len();
    let region = Region::create(cores)?;
    let (control, far_control) = UnixStream::pair()?;
    let (mut sockets, mut far_sockets) = (Vec::new(), Vec::new());
    for _ in 0..cores {
        let (near, far) = UnixStream::pair()?;
        sockets.push(near);
        far_sockets.push(far);
    }
    let bells: Vec<_> = handle.mailboxes.iter().map(|mailbox| mailbox.bell().as_fd()).collect();
    handover::send(&control, region.fd(), &far_sockets, &bells)?;
    frames::write(&mut &control, &Control::Start(settings.clone())).map_err(io::Error::other)?;
    let body = match mode {
        Mode::Thread => Body::Thread(thread::Builder::new().name("engine".into()).spawn(move || main(&far_control))?),
        Mode::Child => {
            let program = std::env::current_exe()?;
            let child = Command::new(program)
                .arg("engine")
                .envs(openmp::patience())
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(far_control)))
                .stdout(Stdio::null())
                .spawn()?;
            *lock(&handle.child) = Some(child.id());
            Body::Child(child)
        }
    };
    Ok(Running { control, sockets, region, body })
}

/// Listens to an engine until its control socket ends, and clears it away.
fn run(handle: &EngineHandle, mut running: Running) -> End {
    *lock(&handle.control) = running.control.try_clone().ok();
    if handle.is_stopping() {
        handle.tell(&Control::Stop);
    }
    let mut end = End::Unready;
    let mut buffer = Vec::new();
    loop {
        match frames::read::<Event>(&mut running.control, &mut buffer) {
            Ok(Event::Ready) => {
                end = End::Gone;
                announce(handle, &running);
            }
            Ok(Event::Spent) => {
                if end == End::Gone && retire(handle) {
                    end = End::Replaced;
                }
            }
            Ok(Event::Models(models)) => *lock(&handle.loaded) = models,
            Ok(Event::Count(count)) => {
                for waiting in lock(&handle.counters).drain(..) {
                    let _ = waiting.try_send(count);
                }
            }
            Err(FrameError::Closed) => break,
            Err(error) => {
                tracing::error!(%error, "the engine's control socket failed");
                break;
            }
        }
    }
    *lock(&handle.control) = None;
    *lock(&handle.child) = None;
    let _ = running.control.shutdown(std::net::Shutdown::Both);
    drop(running.sockets);
    bury(running.body);
    end
}

/// Stops an engine that is spent, so that another takes its place and no client notices: only when every core owes no
/// replies, so that nothing is on its way to or from the engine. Requests that come from then on wait for the next one.
fn retire(handle: &EngineHandle) -> bool {
    let cores = handle.mailboxes.len();
    let (answer, answers) = mpsc::sync_channel(cores);
    handle.post(|_| Some(Mail::Hold(answer.clone())));
    let until = Instant::now() + Duration::from_millis(HANDOVER_MS);
    let mut free = (0..cores).map(|_| answers.recv_timeout(until.saturating_duration_since(Instant::now())));
    if free.all(|answer| answer == Ok(true)) && handle.tell(&Control::Stop) {
        return true;
    }
    handle.post(|_| Some(Mail::Resume));
    false
}

/// Gives each core its socket and the region.
fn announce(handle: &EngineHandle, running: &Running) {
    handle.post(|core| {
        let socket = running.sockets.get(core)?.try_clone().ok()?;
        Some(Mail::EngineUp { region: running.region.clone(), socket })
    });
}

/// Waits for an engine that has closed its control socket, and kills a process that lingers.
fn bury(body: Body) {
    match body {
        Body::Thread(thread) => match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the engine ended"),
            Err(_) => tracing::error!("the engine panicked"),
        },
        Body::Child(mut child) => {
            let deadline = Instant::now() + STOP_GRACE;
            loop {
                match child.try_wait() {
                    Ok(Some(status)) if status.success() => return,
                    Ok(Some(status)) => {
                        tracing::error!(%status, "the engine's process ended");
                        return;
                    }
                    Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                    _ => {
                        let _ = child.kill();
                        let _ = child.wait();
                        return;
                    }
                }
            }
        }
    }
}
