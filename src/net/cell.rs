//! A connection as the rest of its core sees it: its deadline, and the one waker that everything else uses.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What a connection is doing, which decides how long it may stand still and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Between requests: closed when the time is up, and at once when the server drains.
    Idle,
    /// A request is being read: 408 when it stands still.
    Reading,
    /// The server owes the next step (a worker or the engine works): no deadline.
    Working,
    /// Bytes are on their way to the client: cut off when it takes none.
    Writing,
}

/// Shared by a connection's task and its core.
#[derive(Debug)]
pub struct ConnCell {
    phase: Cell<Phase>,
    /// True exactly when the sweep found the deadline passed; never reset.
    expired: Cell<bool>,
    /// The core's tick at which the connection has stood still for too long.
    deadline: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Default for ConnCell {
    fn default() -> ConnCell {
        ConnCell {
            phase: Cell::new(Phase::Idle),
            expired: Cell::new(false),
            deadline: Cell::new(u64::MAX),
            waker: RefCell::new(None),
        }
    }
}

/// The awaited operation was given up because the connection's deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

impl ConnCell {
    /// Enters `phase`, which must make progress before the core's tick reaches `deadline`.
    pub fn enter(&self, phase: Phase, deadline: u64) {
        self.phase.set(phase);
        self.deadline.set(deadline);
    }

    /// What the connection is doing.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Marks the connection as expired when its deadline lies before `tick`, and wakes it.
    pub fn sweep(&self, tick: u64) {
        if self.deadline.get() <= tick {
            self.expire();
        }
    }

    /// Ends whatever the connection waits for.
    pub fn expire(&self) {
        if !self.expired.replace(true) {
            self.wake();
        }
    }

    /// Whether the deadline has passed.
    pub fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Keeps the task's waker for [`ConnCell::wake`]. A task has one waker for its whole life, so this clones once.
    pub fn listen(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|kept| kept.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    /// Awaits `operation` unless the deadline passes first; the operation is then dropped, which cancels it.
    ///
    /// # Errors
    /// [`Expired`] when the deadline passed.
    pub async fn until_expired<F: Future>(&self, operation: F) -> Result<F::Output, Expired> {
        let mut operation = pin!(operation);
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = operation.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            if self.is_expired() {
                return Poll::Ready(Err(Expired));
            }
            self.listen(context);
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<F: Future>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(count.clone())))
    }

    #[test]
    fn a_passed_deadline_ends_the_wait_and_wakes_once() {
        let (cell, count) = (ConnCell::default(), Arc::new(Count(AtomicUsize::new(0))));
        cell.enter(Phase::Reading, 5);
        let mut waiting = pin!(cell.until_expired(std::future::pending::<()>()));
        assert!(poll(waiting.as_mut(), &count).is_pending());
        cell.sweep(4);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        cell.sweep(5);
        cell.sweep(6);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(waiting.as_mut(), &count), Poll::Ready(Err(Expired)));
    }

    #[test]
    fn a_ready_operation_wins_over_the_deadline() {
        let (cell, count) = (ConnCell::default(), Arc::new(Count(AtomicUsize::new(0))));
        cell.expire();
        let ready = pin!(cell.until_expired(std::future::ready(7)));
        assert_eq!(poll(ready, &count), Poll::Ready(Ok(7)));
    }
}
