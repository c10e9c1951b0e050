//! The load itself, on one core: who asks when. A closed loop keeps N clients asking; an open loop asks when requests
//! are due, over as many connections as that takes.

mod ask;
mod connection;
mod look;
mod stop;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::LoadError;
use crate::histogram::Times;
use crate::interrupt;
use crate::kinds::Api;
use crate::live::View;
use crate::manners::Manners;
use crate::plan::{Plan, Turn};
use crate::process::{self, Peak, Watch};
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::timeline::{Point, Timeline};
use crate::timers::Timers;

use connection::Connection;
use stop::Stop;

/// Errors in a row after which a client of a closed loop gives up: the server is gone.
const ERRORS_IN_A_ROW_MAX: u32 = 20;
/// Its pause after an error.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// A run in which nothing happens for this long has failed: the server hangs.
const STALL: Duration = Duration::from_secs(120);
/// How often that is looked at.
const STALL_CHECK: Duration = Duration::from_secs(1);
/// How often this core looks how late it is, besides at its other timers.
const LAG_CHECK: Duration = Duration::from_millis(10);
/// Connections of a closed loop that are opened at once. Many servers let a hundred or so wait to be accepted; the
/// kernel drops what comes on top, and tries again a second later.
const OPENING_AT_ONCE: usize = 64;
/// How often it is looked whether all tasks have let go at the end, and how many times.
const LET_GO: (Duration, u32) = (Duration::from_millis(2), 50);

/// Who asks.
#[derive(Debug, Clone)]
pub enum Pressure {
    /// So many clients, each asking again when it was answered; they start within this time.
    Closed(u32, Duration),
    /// Requests that are due whether the server keeps up or not, over at most so many connections.
    Open(Schedule, u32),
}

/// One request as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// Most tokens of its answer.
    pub max_tokens: u32,
}

/// What to do.
pub struct Job {
    /// Where to connect.
    pub address: SocketAddr,
    /// How answers are read.
    pub api: Api,
    /// The requests, taken in turn; never empty.
    pub requests: Vec<Request>,
    /// Who asks.
    pub pressure: Pressure,
    /// How much.
    pub plan: Plan,
    /// How clients behave.
    pub manners: Manners,
    /// How long answers may take to end after the time is over.
    pub drain: Duration,
    /// The server's process, and the name of its threads that are looked at.
    pub server: Option<(u32, Option<String>)>,
}

/// What came out.
pub struct Outcome {
    /// All that was counted.
    pub tally: Tally,
    /// CPU seconds of this process in the window.
    pub own_cpu: Option<f64>,
    /// CPU seconds of the server in the window.
    pub server_cpu: Option<f64>,
    /// The most that was seen in the window.
    pub peak: Peak,
    /// How late this core woke in the window.
    pub lag: Times,
    /// How the window went over time.
    pub timeline: Vec<Point>,
    /// The user ended it before its time.
    pub interrupted: bool,
}

/// CPU seconds at one moment: this process, the server.
type CpuSeconds = (Option<f64>, Option<f64>);

/// What all tasks share. They run on one thread.
struct Load {
    job: Job,
    timers: Timers,
    tally: RefCell<Tally>,
    plan: RefCell<Plan>,
    /// Open connections that no one uses.
    idle: RefCell<Vec<Connection>>,
    /// Requests of an open loop that are due, but have no connection yet.
    backlog: RefCell<VecDeque<Turn>>,
    /// Tasks that ask, or make others ask.
    busy: Cell<u32>,
    /// Counted requests that are under way.
    under_way: Cell<u64>,
    /// The run is over, whoever is still busy.
    cut: Cell<Option<Cut>>,
    /// Waits for the end.
    waiter: Cell<Option<Waker>>,
    watch: RefCell<Option<Watch>>,
    stop: Rc<Stop>,
    /// Begins with the window.
    timeline: RefCell<Option<Timeline>>,
    cpu_before: Cell<CpuSeconds>,
    cpu_after: Cell<Option<CpuSeconds>>,
}

/// Why a run ends before all answers came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Drained,
    Stalled,
    Interrupted,
}

/// Runs a job to its end, and shows it if there is a view. No connection is left when it returns.
///
/// # Errors
/// [`LoadError::Stalled`], [`LoadError::Process`], or a runtime that cannot make timers.
pub async fn run(job: Job, tally: Tally, view: Option<View>) -> Result<Outcome, LoadError> {
    let timers = Timers::start().map_err(LoadError::Runtime)?;
    if let Some((pid, name)) = &job.server {
        process::seconds(*pid, name.as_deref()).ok_or(LoadError::Process(*pid))?;
    }
    let load = Rc::new(Load {
        plan: RefCell::new(job.plan.clone()),
        job,
        timers,
        tally: RefCell::new(tally),
        idle: RefCell::default(),
        backlog: RefCell::default(),
        busy: Cell::new(0),
        under_way: Cell::new(0),
        cut: Cell::new(None),
        waiter: Cell::new(None),
        watch: RefCell::new(None),
        stop: Rc::default(),
        timeline: RefCell::new(None),
        cpu_before: Cell::new((None, None)),
        cpu_after: Cell::new(None),
    });
    load.stop.spawn(stall_watch(load.clone()));
    load.stop.spawn(lag_watch(load.clone()));
    let view = Rc::new(view);
    load.stop.spawn(look::looks(load.clone(), view.clone()));
    match load.job.pressure.clone() {
        Pressure::Closed(clients, within) => start_clients(&load, clients, within).await,
        Pressure::Open(schedule, most) => {
            load.enter();
            load.stop.spawn(arrivals(load.clone(), schedule, most));
        }
    }
    load.end().await;
    load.close_window();
    let outcome = load.outcome();
    load.let_go().await;
    Rc::into_inner(view).flatten().into_iter().for_each(View::finish);
    outcome
}

/// Opens connections, some side by side, then lets the clients begin.
async fn start_clients(load: &Rc<Load>, clients: u32, within: Duration) {
    let open = |_| monoio::spawn(connection::open(load.job.address));
    let mut connections = Vec::with_capacity(clients as usize);
    while connections.len() < clients as usize {
        let group = OPENING_AT_ONCE.min(clients as usize - connections.len());
        let tasks: Vec<_> = (0..group).map(open).collect();
        for task in tasks {
            // One that fails is tried again, and counted, when it is needed.
            connections.push(task.await.ok());
        }
    }
    let began = Instant::now();
    load.tally.borrow_mut().connections += connections.iter().flatten().count() as u64;
    for (number, connection) in connections.into_iter().enumerate() {
        load.enter();
        let start = began + within.mul_f64(number as f64 / f64::from(clients.max(1)));
        load.stop.spawn(client(load.clone(), connection, start));
    }
}

/// One client of a closed loop.
async fn client(load: Rc<Load>, mut connection: Option<Connection>, start: Instant) {
    load.timers.until(start).await;
    let mut buffer = Vec::new();
    let mut errors_in_a_row = 0;
    while errors_in_a_row < ERRORS_IN_A_ROW_MAX {
        let Some(turn) = load.take(Instant::now()) else { break };
        if load.ask(&mut connection, turn, &mut buffer).await {
            errors_in_a_row = 0;
        } else {
            errors_in_a_row += 1;
            load.timers.sleep(ERROR_PAUSE).await;
        }
    }
    load.leave();
}

/// Lets each request of an open loop begin when it is due, on a connection that is free or new.
async fn arrivals(load: Rc<Load>, schedule: Schedule, most: u32) {
    let began = Instant::now();
    for due in schedule {
        let Some(intended) = began.checked_add(due) else { break };
        load.timers.until(intended).await;
        let Some(turn) = load.take(intended) else { break };
        load.backlog.borrow_mut().push_back(turn);
        // One of the busy tasks is this one.
        if load.busy.get() <= most {
            load.enter();
            load.stop.spawn(arrived(load.clone()));
        }
    }
    load.leave();
}

/// Asks what is due until nothing is.
async fn arrived(load: Rc<Load>) {
    let mut connection = load.idle.borrow_mut().pop();
    let mut buffer = Vec::new();
    loop {
        let Some(turn) = load.backlog.borrow_mut().pop_front() else { break };
        load.ask(&mut connection, turn, &mut buffer).await;
    }
    load.idle.borrow_mut().extend(connection);
    load.leave();
}

/// Ends the run when it has stood still for [`STALL`]. One watch for all: a timer for each read would cost more than
/// the read.
async fn stall_watch(load: Rc<Load>) {
    let progress = || load.tally.borrow().progress();
    let (mut last, mut since) = (progress(), Instant::now());
    while since.elapsed() < STALL {
        load.timers.sleep(STALL_CHECK).await;
        let now = progress();
        // An open loop with few requests waits for them, not for the server.
        if now != last || load.under_way.get() == 0 {
            (last, since) = (now, Instant::now());
        }
    }
    load.cut(Cut::Stalled);
}

/// Wakes now and then, so that the timers know how late this core is. It sees whether the user has had enough, too.
async fn lag_watch(load: Rc<Load>) {
    loop {
        load.timers.sleep(LAG_CHECK).await;
        if interrupt::seen() {
            load.close_window();
            load.cut(Cut::Interrupted);
        }
    }
}

/// Closes the window in time, and the run when the last answers take too long.
async fn timeline(load: Rc<Load>, end: Instant) {
    load.timers.until(end).await;
    load.close_window();
    load.timers.until(end + load.job.drain).await;
    load.cut(Cut::Drained);
}

impl Load {
    /// The next turn for a request that is due at `intended`. The first counted one opens the window.
    fn take(self: &Rc<Self>, intended: Instant) -> Option<Turn> {
        let turn = self.plan.borrow_mut().take(intended)?;
        if turn.counted && !self.tally.borrow().is_open() {
            let now = Instant::now();
            self.tally.borrow_mut().open(now);
            *self.timeline.borrow_mut() = Some(Timeline::new(now, &self.tally.borrow()));
            self.timers.take_lag();
            self.cpu_before.set(self.cpu_now());
            *self.watch.borrow_mut() = Watch::start(self.job.server.as_ref().map(|(pid, _)| *pid));
            if let Some(end) = self.plan.borrow().ends_at() {
                self.stop.spawn(timeline(self.clone(), end));
            }
        }
        Some(turn)
    }

    fn close_window(&self) {
        if self.cpu_after.get().is_none() {
            self.look();
            self.tally.borrow_mut().close(Instant::now());
            self.cpu_after.set(Some(self.cpu_now()));
        }
    }

    fn cpu_now(&self) -> CpuSeconds {
        let server = self.job.server.as_ref().and_then(|(pid, name)| process::seconds(*pid, name.as_deref()));
        (process::seconds(std::process::id(), None), server)
    }

    fn enter(&self) {
        self.busy.set(self.busy.get() + 1);
    }

    fn leave(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
        self.tell();
    }

    fn cut(&self, why: Cut) {
        self.cut.set(self.cut.get().or(Some(why)));
        self.tell();
    }

    fn tell(&self) {
        if self.is_over()
            && let Some(waker) = self.waiter.take()
        {
            waker.wake();
        }
    }

    fn is_over(&self) -> bool {
        self.busy.get() == 0 || self.cut.get().is_some()
    }

    async fn end(&self) {
        poll_fn(|context| {
            if self.is_over() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn outcome(&self) -> Result<Outcome, LoadError> {
        if self.cut.get() == Some(Cut::Stalled) {
            return Err(LoadError::Stalled);
        }
        let mut tally = self.tally.take();
        let due = self.backlog.borrow().iter().filter(|turn| turn.counted).count() as u64;
        tally.unfinished = self.under_way.get() + due;
        let (before, after) = (self.cpu_before.get(), self.cpu_after.get().unwrap_or_default());
        let spent = |before: Option<f64>, after: Option<f64>| Some((after? - before?).max(0.0));
        Ok(Outcome {
            tally,
            own_cpu: spent(before.0, after.0),
            server_cpu: spent(before.1, after.1),
            peak: self.watch.take().map(Watch::finish).unwrap_or_default(),
            lag: self.timers.take_lag(),
            timeline: self.timeline.take().map(|timeline| timeline.points()).unwrap_or_default(),
            interrupted: self.cut.get() == Some(Cut::Interrupted),
        })
    }

    /// Ends what still runs, and closes what is still open.
    async fn let_go(&self) {
        self.stop.stop();
        self.idle.take();
        for _ in 0..LET_GO.1 {
            self.timers.sleep(LET_GO.0).await;
            if self.stop.running() == 0 {
                break;
            }
        }
        // What was cancelled ends in the kernel, then in the runtime.
        self.timers.sleep(LET_GO.0).await;
        self.timers.stop().await;
    }
}

/// Runs a future on a runtime of its own: `io_uring` where it works, unless epoll is wished. Tells which it was.
///
/// # Errors
/// If there can be no runtime.
pub fn block_on<T>(epoll: bool, future: impl Future<Output = T>) -> io::Result<(T, &'static str)> {
    if !epoll && monoio::utils::detect_uring() {
        let runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().with_entries(4096).build();
        Ok((runtime?.block_on(future), "io_uring"))
    } else {
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().build();
        Ok((runtime?.block_on(future), "epoll"))
    }
}
