//! Deadlines to some ten microseconds. The runtime's own timers count whole milliseconds, which is more than a
//! measured delay of 5 ms can bear. All deadlines of a core share one heap and one timerfd.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use monoio::net::TcpStream;
use monoio::task::JoinHandle;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::histogram::Times;

/// The deadlines of one core.
#[derive(Clone)]
pub struct Timers(Rc<Shared>);

struct Shared {
    timer: OwnedFd,
    heap: RefCell<BinaryHeap<Entry>>,
    /// What the timerfd is set to.
    armed: Cell<Option<Instant>>,
    /// By how much wakings were late.
    lag: RefCell<Times>,
    /// No one is woken any more.
    stopped: Cell<bool>,
    /// The task that wakes.
    task: RefCell<Option<JoinHandle<()>>>,
}

/// A deadline and who waits for it.
struct Entry {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: the heap hands out its greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl Timers {
    /// Starts the task that wakes those who wait. Called once, inside the runtime.
    ///
    /// # Errors
    /// If there can be no timerfd.
    pub fn start() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // The runtime awaits any descriptor's readiness, but offers it on its streams only.
        let awaited = TcpStream::from_std(std::net::TcpStream::from(timer.try_clone()?))?;
        let shared = Rc::new(Shared {
            timer,
            heap: RefCell::new(BinaryHeap::new()),
            armed: Cell::new(None),
            lag: RefCell::new(Times::default()),
            stopped: Cell::new(false),
            task: RefCell::new(None),
        });
        *shared.task.borrow_mut() = Some(monoio::spawn(wake(shared.clone(), awaited)));
        Ok(Self(shared))
    }

    /// Waits until then.
    pub fn until(&self, at: Instant) -> Sleep {
        Sleep { shared: self.0.clone(), at, waits: false }
    }

    /// Waits this long.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.until(Instant::now() + time)
    }

    /// By how much wakings were late since the last call: what this core adds to everything that it measures.
    pub fn take_lag(&self) -> Times {
        self.0.lag.take()
    }

    /// Wakes all whose time has come. For who never sleeps, and so knows sooner than the kernel tells.
    pub fn look(&self) {
        if self.0.armed.get().is_some_and(|armed| armed <= Instant::now()) {
            let next = self.0.wake_due(Instant::now());
            self.0.arm(next);
        }
    }

    /// Ends the task that wakes, and forgets who waits: tasks hold the timers, and the timers hold tasks.
    pub async fn stop(&self) {
        self.0.stopped.set(true);
        self.0.arm(Some(Instant::now()));
        let forgotten = self.0.heap.take();
        drop(forgotten);
        let task = self.0.task.take();
        if let Some(task) = task {
            task.await;
        }
    }
}

/// A wait for a deadline.
pub struct Sleep {
    shared: Rc<Shared>,
    at: Instant,
    waits: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if !self.waits {
            self.waits = true;
            self.shared.heap.borrow_mut().push(Entry { at: self.at, waker: context.waker().clone() });
            if self.shared.armed.get().is_none_or(|armed| self.at < armed) {
                self.shared.arm(Some(self.at));
            }
        }
        Poll::Pending
    }
}

impl Shared {
    /// Sets the timerfd, or leaves it unset.
    fn arm(&self, at: Option<Instant>) {
        self.armed.set(at);
        let Some(at) = at else { return };
        // Zero would disarm it.
        let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // It fails on a bad descriptor or time only; both were made here.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
    }

    /// Wakes all whose time has come, and tells when the next one's comes.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
        let (mut heap, mut lag) = (self.heap.borrow_mut(), self.lag.borrow_mut());
        while let Some(next) = heap.peek() {
            if next.at > now {
                return Some(next.at);
            }
            if let Some(due) = heap.pop() {
                lag.record(now - due.at);
                due.waker.wake();
            }
        }
        None
    }
}

/// Wakes sleepers until it is stopped.
async fn wake(shared: Rc<Shared>, awaited: TcpStream) {
    while awaited.readable(false).await.is_ok() && !shared.stopped.get() {
        // Reading takes the readiness away; there may be none if the timer was set anew meanwhile.
        let _ = rustix::io::read(&shared.timer, &mut [0; 8]);
        let next = shared.wake_due(Instant::now());
        shared.arm(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sleeps() {
        let timers = Timers::start().unwrap();
        // Far enough from now that even a slow machine has started all before the first is due.
        let began = Instant::now() + Duration::from_millis(100);
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [30_u64, 5, 12, 0, 5]
            .into_iter()
            .map(|ms| {
                let (timers, order) = (timers.clone(), order.clone());
                monoio::spawn(async move {
                    timers.until(began + Duration::from_millis(ms)).await;
                    order.borrow_mut().push(ms);
                    assert!(Instant::now() >= began + Duration::from_millis(ms));
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(*order.borrow(), [0, 5, 5, 12, 30]);
        // One of them is dropped before it is due, and disturbs no one.
        monoio::select! {
            () = timers.sleep(Duration::from_millis(1)) => {}
            () = timers.sleep(Duration::from_millis(3)) => {}
        }
        timers.sleep(Duration::from_millis(5)).await;
        assert!(timers.take_lag().count() >= 5);
        assert_eq!(timers.take_lag().count(), 0);
        timers.stop().await;
        assert_eq!(Rc::strong_count(&timers.0), 1, "its task has ended");
    }

    #[test]
    fn sleepers_wake_in_order_on_both_drivers() {
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer().build();
        runtime.unwrap().block_on(sleeps());
        if monoio::utils::detect_uring() {
            let runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().enable_timer().build();
            runtime.unwrap().block_on(sleeps());
        }
    }
}
