//! A job under way, as its two sides see it.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::error::WorkError;
use crate::convert::Progress;
use crate::stream::wake::Eventfd;

/// How often a thread that waits is asked whether it still wants to: clients that leave are missed no longer than this.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// News of a job.
#[derive(Debug)]
pub enum Step<T> {
    /// It is this far.
    Progress(Progress),
    /// It has ended; nothing comes after this.
    Done(Result<T, WorkError>),
}

/// A job that somebody waits for. Dropped, it ends the job, and what was made so far goes.
#[derive(Debug)]
pub struct Task<T>(Arc<Shared<T>>);

/// The side of the thread that watches over the job. Dropped without an outcome, it says that the job was stopped.
#[derive(Debug)]
pub(super) struct Reporter<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    news: Mutex<News<T>>,
    changed: Condvar,
    /// Readable exactly when nobody waits any more.
    unwanted: Eventfd,
}

#[derive(Debug)]
struct News<T> {
    /// The newest that was not asked for yet: a client that reads slowly misses some, and delays nothing.
    progress: Option<Progress>,
    outcome: Option<Result<T, WorkError>>,
    /// True exactly when nothing comes any more, also after the outcome was taken.
    ended: bool,
    waker: Option<Waker>,
}

/// Both sides of a new job.
///
/// # Errors
/// When the process has no descriptors left.
pub(super) fn new<T>() -> io::Result<(Task<T>, Reporter<T>)> {
    let news = Mutex::new(News { progress: None, outcome: None, ended: false, waker: None });
    let shared = Arc::new(Shared { news, changed: Condvar::new(), unwanted: Eventfd::new()? });
    Ok((Task(shared.clone()), Reporter(shared)))
}

impl<T> Task<T> {
    /// Waits for news without blocking the thread; on any runtime whose wakers other threads may use.
    pub async fn next(&mut self) -> Step<T> {
        poll_fn(|context| {
            let mut news = self.0.lock();
            news.take().map_or_else(
                || {
                    news.waker = Some(context.waker().clone());
                    Poll::Pending
                },
                Poll::Ready,
            )
        })
        .await
    }

    /// Blocks until the job has ended. `go_on` hears of its progress, and is asked every now and then without any: false
    /// ends the job.
    ///
    /// # Errors
    /// When the job failed, or was ended.
    pub fn wait(self, mut go_on: impl FnMut(Option<Progress>) -> bool) -> Result<T, WorkError> {
        loop {
            let progress = match self.0.news_within(ASK_EVERY) {
                Some(Step::Done(outcome)) => return outcome,
                Some(Step::Progress(progress)) => Some(progress),
                None => None,
            };
            if !go_on(progress) {
                return Err(WorkError::Stopped);
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.unwanted.write();
    }
}

impl<T> Shared<T> {
    /// A panic elsewhere leaves the news whole: they are replaced, not changed step by step.
    fn lock(&self) -> MutexGuard<'_, News<T>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until there is news, or for that long.
    fn news_within(&self, patience: Duration) -> Option<Step<T>> {
        let mut news = self.lock();
        if let Some(step) = news.take() {
            return Some(step);
        }
        let waited = self.changed.wait_timeout(news, patience);
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    fn change(&self, change: impl FnOnce(&mut News<T>)) {
        let mut news = self.lock();
        change(&mut news);
        let waker = news.waker.take();
        drop(news);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> News<T> {
    fn take(&mut self) -> Option<Step<T>> {
        let progress = self.progress.take().map(Step::Progress);
        progress.or_else(|| self.outcome.take().map(Step::Done)).or_else(|| {
            // Asked once more after the end.
            self.ended.then_some(Step::Done(Err(WorkError::Stopped)))
        })
    }
}

impl<T> Reporter<T> {
    /// Says how far the job is.
    pub(super) fn progress(&self, progress: Progress) {
        self.0.change(|news| news.progress = Some(progress));
    }

    /// Says how it ended.
    pub(super) fn end(self, outcome: Result<T, WorkError>) {
        self.0.change(|news| (news.outcome, news.ended) = (Some(outcome), true));
    }

    /// Readable when nobody waits any more, for a poll beside other descriptors.
    pub(super) fn unwanted(&self) -> &Eventfd {
        &self.0.unwanted
    }

    /// Whether nobody waits any more.
    pub(super) fn is_unwanted(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut look = [PollFd::new(&self.0.unwanted, PollFlags::IN)];
        rustix::event::poll(&mut look, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        if !self.0.lock().ended {
            self.0.change(|news| (news.outcome, news.ended) = (Some(Err(WorkError::Stopped)), true));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};
    use std::thread;

    use super::*;

    const HALF: Progress = Progress { completed: 1, total: 2 };

    #[test]
    fn a_waiting_thread_hears_the_progress_and_the_end() {
        let (task, reporter) = new::<u8>().unwrap();
        let (saw, seen) = std::sync::mpsc::channel();
        let watcher = thread::spawn(move || {
            reporter.progress(HALF);
            assert_eq!(seen.recv(), Ok(HALF));
            assert!(!reporter.is_unwanted());
            reporter.end(Ok(7));
        });
        let go_on = |progress: Option<Progress>| progress.is_none_or(|progress| saw.send(progress).is_ok());
        assert_eq!(task.wait(go_on).ok(), Some(7));
        watcher.join().unwrap();
    }

    #[test]
    fn only_the_newest_progress_waits_for_a_slow_reader() {
        let (task, reporter) = new::<()>().unwrap();
        reporter.progress(Progress::default());
        reporter.progress(HALF);
        reporter.end(Ok(()));
        let mut heard = Vec::new();
        let go_on = |progress| {
            heard.extend(progress);
            true
        };
        assert!(task.wait(go_on).is_ok());
        assert_eq!(heard, [HALF]);
    }

    #[test]
    fn a_dropped_task_is_unwanted_and_a_dropped_reporter_ends_its_task() {
        let (task, reporter) = new::<()>().unwrap();
        drop(task);
        assert!(reporter.is_unwanted());
        let (task, reporter) = new::<()>().unwrap();
        drop(reporter);
        assert!(matches!(task.wait(|_| true), Err(WorkError::Stopped)));
    }

    #[test]
    fn a_waiting_thread_can_give_up() {
        let (task, reporter) = new::<()>().unwrap();
        assert!(matches!(task.wait(|progress| progress.is_some()), Err(WorkError::Stopped)));
        assert!(reporter.is_unwanted());
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_runtime_is_woken_by_news() {
        let (mut task, reporter) = new::<u8>().unwrap();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        let mut poll = || {
            let next = pin!(task.next());
            next.poll(&mut context)
        };
        assert!(poll().is_pending());
        reporter.progress(HALF);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(matches!(poll(), Poll::Ready(Step::Progress(HALF))));
        assert!(poll().is_pending());
        reporter.end(Ok(7));
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(matches!(poll(), Poll::Ready(Step::Done(Ok(7)))));
        assert!(matches!(poll(), Poll::Ready(Step::Done(Err(WorkError::Stopped)))));
    }
}
