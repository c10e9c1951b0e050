//! What is counted while a run goes on.
//!
//! Two books are kept. The counted requests, those that began after the warm-up, give the numbers and the times. The
//! window, from the end of the warm-up to the end of the run, gives the rates: all that came in it counts, whichever
//! request it belongs to, so that a rate is neither thinned by the last requests running out nor by the warm-up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::goal::{Goal, Pace};
use crate::histogram::Times;

/// Numbers that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests with a whole answer.
    pub requests: u64,
    /// Of these, the ones whose pace is of interest.
    pub judged: u64,
    /// Of these, the ones that kept the objective.
    pub good: u64,
    /// Events with text (or lines, for plain requests).
    pub events: u64,
    /// Tokens of the answers, by events until the server's count is known.
    pub output_tokens: u64,
    /// Tokens of the prompts, as the server counts them.
    pub prompt_tokens: u64,
    /// Vectors of embeddings.
    pub vectors: u64,
    /// Bytes read, heads and framing included.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl Counters {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.judged += other.judged;
        self.good += other.good;
        self.events += other.events;
        self.output_tokens += other.output_tokens;
        self.prompt_tokens += other.prompt_tokens;
        self.vectors += other.vectors;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }

    /// What came since then.
    pub fn since(&self, earlier: &Self) -> Self {
        // Counts may be corrected downwards when a server's own count comes.
        let grown = |now: u64, then: u64| now.saturating_sub(then);
        Self {
            requests: grown(self.requests, earlier.requests),
            judged: grown(self.judged, earlier.judged),
            good: grown(self.good, earlier.good),
            events: grown(self.events, earlier.events),
            output_tokens: grown(self.output_tokens, earlier.output_tokens),
            prompt_tokens: grown(self.prompt_tokens, earlier.prompt_tokens),
            vectors: grown(self.vectors, earlier.vectors),
            bytes_in: grown(self.bytes_in, earlier.bytes_in),
            bytes_out: grown(self.bytes_out, earlier.bytes_out),
        }
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// What a good answer is.
    pub goal: Goal,
    /// All that came so far, from every request.
    pub live: Counters,
    /// The same at the beginning of the window, and when that was.
    opened: Option<(Instant, Counters)>,
    /// The same at its end.
    closed: Option<(Instant, Counters)>,
    /// Of the counted requests only.
    pub counted: Counters,
    /// Counted requests without a whole answer, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// The first error of each kind in words, those of the warm-up too.
    pub first_errors: BTreeMap<&'static str, String>,
    /// Requests that failed and are not counted.
    pub warmup_errors: u64,
    /// Clients that left on purpose in the middle of an answer.
    pub left: u64,
    /// Requests that were under way, or due and not sent, when the run was cut off.
    pub unfinished: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that the server had closed between two requests, which went on over a new one.
    pub stale: u64,
    /// Answers without the server's own count of tokens.
    pub uncounted: u64,
    /// Answers whose events are not as many as the server counts tokens.
    pub differing: u64,
    /// From the intended start to the first event.
    pub ttft: Times,
    /// Between two events of a request. Events that one read brought lie 0 apart.
    pub itl: Times,
    /// The longest of these in each request.
    pub longest_gap: Times,
    /// From the intended start to the end of the answer.
    pub e2e: Times,
    /// From the intended start to the actual one.
    pub start_lag: Times,
}

/// What the window held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Its length.
    pub length: Duration,
    /// What came in it.
    pub counters: Counters,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(goal: Goal) -> Self {
        Self { goal, ..Self::default() }
    }

    /// The window begins, unless it has.
    pub fn open(&mut self, now: Instant) {
        let live = self.live;
        self.opened.get_or_insert((now, live));
    }

    /// The window ends, unless it has.
    pub fn close(&mut self, now: Instant) {
        let live = self.live;
        self.closed.get_or_insert((now, live));
    }

    /// Whether the window has begun.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// The window, once it was closed. One that was never opened is empty.
    pub fn window(&self) -> Window {
        let (Some((from, before)), Some((to, after))) = (self.opened, self.closed) else {
            return Window { length: Duration::ZERO, counters: Counters::default() };
        };
        Window { length: to.saturating_duration_since(from), counters: after.since(&before) }
    }

    /// A request failed.
    pub fn fail(&mut self, error: &RequestError, counted: bool) {
        self.first_errors.entry(error.kind()).or_insert_with(|| error.to_string());
        if counted {
            *self.errors.entry(error.kind()).or_default() += 1;
        } else {
            self.warmup_errors += 1;
        }
    }

    /// An event came.
    pub fn event(&mut self, counted: bool, is_token: bool) {
        for book in self.books(counted) {
            book.events += 1;
            book.output_tokens += u64::from(is_token);
        }
    }

    /// Bytes went over the wire.
    pub fn bytes(&mut self, counted: bool, read: u64, written: u64) {
        for book in self.books(counted) {
            book.bytes_in += read;
            book.bytes_out += written;
        }
    }

    /// An answer is whole. `events` were counted as tokens already; `output` and `prompt` are the server's counts.
    pub fn finish(&mut self, counted: bool, events: u64, output: Option<u64>, prompt: Option<u64>, vectors: u64) {
        for book in self.books(counted) {
            book.requests += 1;
            book.output_tokens = (book.output_tokens + output.unwrap_or(events)).saturating_sub(events);
            book.prompt_tokens += prompt.unwrap_or(0);
            book.vectors += vectors;
        }
    }

    /// The pace of a whole answer, judged by the objective.
    pub fn judge(&mut self, counted: bool, pace: &Pace) {
        let good = u64::from(self.goal.is_met(pace));
        for book in self.books(counted) {
            book.judged += 1;
            book.good += good;
        }
    }

    /// Whether anything moves; for telling a server that hangs.
    pub fn progress(&self) -> (Counters, u64) {
        (self.live, self.failures())
    }

    /// Requests without a whole answer, those of the warm-up too.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum::<u64>() + self.warmup_errors
    }

    fn books(&mut self, counted: bool) -> impl Iterator<Item = &mut Counters> {
        std::iter::once(&mut self.live).chain(counted.then_some(&mut self.counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_from_the_window_and_numbers_from_the_counted() {
        let (mut tally, start) = (Tally::new(Goal::default()), Instant::now());
        // A warm-up request that ends in the window.
        tally.event(false, true);
        tally.open(start);
        tally.open(start + Duration::from_secs(9));
        tally.event(false, true);
        tally.finish(false, 2, Some(2), Some(5), 0);
        // One whose server counts three tokens in two events.
        tally.event(true, true);
        tally.event(true, true);
        tally.finish(true, 2, Some(3), Some(7), 0);
        // One that goes on behind the window.
        tally.event(true, true);
        tally.close(start + Duration::from_secs(2));
        tally.event(true, true);
        tally.finish(true, 2, None, None, 0);
        let window = tally.window();
        assert_eq!(window.length, Duration::from_secs(2));
        let got = window.counters;
        assert_eq!((got.requests, got.events, got.output_tokens, got.prompt_tokens), (2, 4, 5, 12));
        let got = tally.counted;
        assert_eq!((got.requests, got.events, got.output_tokens, got.prompt_tokens), (2, 4, 5, 7));
    }

    #[test]
    fn errors_of_the_warmup_are_apart() {
        let mut tally = Tally::new(Goal::default());
        tally.fail(&RequestError::Incomplete, false);
        tally.fail(&RequestError::Status(500, "a".to_owned()), true);
        tally.fail(&RequestError::Status(503, "b".to_owned()), true);
        assert_eq!((tally.warmup_errors, tally.errors.get("status_5xx"), tally.errors.len()), (1, Some(&2), 1));
        assert_eq!((tally.first_errors["status_5xx"].as_str(), tally.first_errors.len()), ("status 500 a", 2));
        assert_eq!(tally.progress().1, 3);
        assert_eq!(tally.window().length, Duration::ZERO);
    }
}
