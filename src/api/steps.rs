//! Jobs that tell their steps while they run, as `create` does (the behaviour page, section 0.6).
//!
//! The job has a thread of its own, since it may take minutes. Between it and the connection lies a feed: the job never
//! waits for the client, and learns from the feed that the client has gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::answer::{self, Answer};
use super::ollama::error::ApiError;
use super::ollama::replies::{ErrorReply, StatusReply};
use super::{App, json};
use crate::config::limits::LONG_JOBS_MAX;
use crate::store::{Listener, Step};

/// The work itself.
type Work = Box<dyn FnOnce(&mut Teller) -> Result<(), ApiError> + Send>;

/// A job that is still to be started.
pub struct StepJob {
    /// Whether the client wants every step, or the last one alone.
    streams: bool,
    work: Work,
}

/// What has become of a job since the last look.
pub enum News {
    /// Lines of JSON, whole ones.
    Lines(Vec<u8>),
    /// It has ended.
    End(Ended),
}

/// A job that has ended.
pub struct Ended {
    streams: bool,
    last: StatusReply,
    outcome: Result<(), ApiError>,
}

#[derive(Default)]
struct State {
    /// Lines that nobody has taken yet.
    lines: Vec<u8>,
    /// Where the last of them begins, if it only tells how far something is.
    progress: Option<usize>,
    last: StatusReply,
    outcome: Option<Result<(), ApiError>>,
    waker: Option<Waker>,
    /// True exactly when nobody takes lines any more.
    gone: bool,
}

#[derive(Default)]
struct Feed(Mutex<State>);

impl Feed {
    /// A panic elsewhere leaves the state whole: each change of it is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the connection.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The job's end of the feed.
pub struct Teller {
    feed: Arc<Feed>,
    streams: bool,
}

impl Listener for Teller {
    fn tell(&mut self, step: Step) {
        let step =
            StatusReply { status: step.status, digest: step.digest, total: step.total, completed: step.completed };
        let streams = self.streams;
        self.feed.change(|state| {
            if streams {
                state.put(&step);
            }
            state.last = step;
        });
    }

    fn is_gone(&self) -> bool {
        self.feed.state().gone
    }
}

impl Drop for Teller {
    /// A job that panicked has told no outcome, and its client waits.
    fn drop(&mut self) {
        let lost = || Err(ApiError::new(500, "the server failed while it worked on the request"));
        self.feed.change(|state| _ = state.outcome.get_or_insert_with(lost));
    }
}

impl State {
    fn put(&mut self, step: &StatusReply) {
        // Of what tells how far one thing is, only the newest is worth sending.
        let only_progress = !step.digest.is_empty();
        if only_progress && (&self.last.digest, &self.last.status) == (&step.digest, &step.status) {
            self.lines.truncate(self.progress.unwrap_or(self.lines.len()));
        }
        self.progress = only_progress.then_some(self.lines.len());
        put_line(&mut self.lines, step);
    }
}

/// The connection's end of the feed. Dropped, it tells the job that nobody listens.
pub struct Steps {
    feed: Arc<Feed>,
    streams: bool,
}

impl Steps {
    /// What has come of the job: lines that can go out, or its end.
    pub fn poll_news(&self, context: &Context<'_>) -> Poll<News> {
        let mut state = self.feed.state();
        if !state.lines.is_empty() {
            state.progress = None;
            return Poll::Ready(News::Lines(std::mem::take(&mut state.lines)));
        }
        if let Some(outcome) = state.outcome.take() {
            let last = std::mem::take(&mut state.last);
            return Poll::Ready(News::End(Ended { streams: self.streams, last, outcome }));
        }
        if !state.waker.as_ref().is_some_and(|kept| kept.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        state.gone = true;
        state.waker = None;
    }
}

impl StepJob {
    /// A job whose steps go to the client if it wants them (`stream`).
    pub fn new(streams: bool, work: impl FnOnce(&mut Teller) -> Result<(), ApiError> + Send + 'static) -> StepJob {
        StepJob { streams, work: Box::new(work) }
    }

    /// Starts the job on a thread.
    ///
    /// # Errors
    /// The answer, when there are as many jobs as there may be.
    pub fn start(self, app: &App) -> Result<Steps, Answer> {
        let busy = || Answer::busy("too many models are being made at once, please try again");
        let place = Place::take(&app.long_jobs).ok_or_else(busy)?;
        let feed = Arc::new(Feed::default());
        let streams = self.streams;
        let mut teller = Teller { feed: feed.clone(), streams };
        let run = move || {
            let _place = place;
            let outcome = (self.work)(&mut teller);
            teller.feed.change(|state| state.outcome = Some(outcome));
        };
        match thread::Builder::new().name("long-job".to_owned()).spawn(run) {
            Ok(_) => Ok(Steps { feed, streams }),
            Err(error) => {
                tracing::error!(%error, "a thread could not be started");
                Err(busy())
            }
        }
    }
}

impl Ended {
    /// The whole answer, for a client that has been sent nothing yet. An error has a status of its own then.
    pub fn answer(self) -> Answer {
        let answer = match self.outcome {
            Ok(()) if self.streams => return Answer::lines(Vec::new()),
            Ok(()) => Answer::json(&self.last),
            Err(error) => Answer::from(error),
        };
        Answer { content_type: Some(answer::BARE_JSON), ..answer }
    }

    /// The last line of a stream that has begun; nothing where all went well.
    pub fn line(self) -> Vec<u8> {
        let mut line = Vec::new();
        if let Err(error) = self.outcome {
            put_line(&mut line, &ErrorReply { error: error.message });
        }
        line
    }
}

fn put_line<T: serde::Serialize>(lines: &mut Vec<u8>, value: &T) {
    // Strings and numbers, which can always be written.
    let _ = json::append(lines, value);
    lines.push(b'\n');
}

/// One of the jobs that may run at once.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: &Arc<AtomicUsize>) -> Option<Place> {
        let one_more = |count| (count < LONG_JOBS_MAX).then_some(count + 1);
        let taken = running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Place(running.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(streams: bool) -> (Teller, Steps) {
        let feed = Arc::new(Feed::default());
        (Teller { feed: feed.clone(), streams }, Steps { feed, streams })
    }

    fn progress(completed: u64) -> Step {
        Step { status: "quantizing".to_owned(), digest: "0".to_owned(), total: 9, completed }
    }

    fn lines(steps: &Steps) -> Option<String> {
        match steps.poll_news(&Context::from_waker(Waker::noop())) {
            Poll::Ready(News::Lines(lines)) => Some(String::from_utf8(lines).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn only_the_newest_progress_waits_for_a_slow_client() {
        let (mut teller, steps) = pair(true);
        teller.tell(Step::new("parsing GGUF"));
        (1..=5).for_each(|completed| teller.tell(progress(completed)));
        teller.tell(Step::new("success"));
        let row = |completed| {
            format!("{{\"status\":\"quantizing\",\"digest\":\"0\",\"total\":9,\"completed\":{completed}}}\n")
        };
        let want = format!("{{\"status\":\"parsing GGUF\"}}\n{}{{\"status\":\"success\"}}\n", row(5));
        assert_eq!(lines(&steps), Some(want));
        // What has been taken is not taken back.
        teller.tell(progress(6));
        assert_eq!(lines(&steps), Some(row(6)));
        teller.tell(progress(7));
        assert_eq!(lines(&steps), Some(row(7)));
        assert_eq!(lines(&steps), None);
    }

    #[test]
    fn each_side_learns_that_the_other_has_gone() {
        let (teller, steps) = pair(true);
        assert!(!teller.is_gone());
        drop(steps);
        assert!(teller.is_gone());
        let (teller, steps) = pair(false);
        drop(teller);
        let news = steps.poll_news(&Context::from_waker(Waker::noop()));
        let Poll::Ready(News::End(ended)) = news else { panic!("no end") };
        assert_eq!(ended.answer().status, 500);
    }

    #[test]
    fn places_are_given_back() {
        let running = Arc::default();
        let places: Vec<_> = (0..LONG_JOBS_MAX).map(|_| Place::take(&running).unwrap()).collect();
        assert!(Place::take(&running).is_none());
        drop(places);
        assert!(Place::take(&running).is_some());
    }
}
