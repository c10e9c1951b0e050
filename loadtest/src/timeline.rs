//! How the window of a run went over time: a bounded number of pieces, coarser the longer the run is.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::histogram::Recent;
use crate::tally::{Counters, Tally};

/// How often a run is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most pieces; then two become one.
const PIECES_MAX: usize = 240;

/// One piece of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    length: Duration,
    counters: Counters,
    errors: u64,
    under_way: u64,
    ttft: Recent,
    itl: Recent,
}

impl Piece {
    fn add(&mut self, next: &Self) {
        self.length += next.length;
        self.counters.add(&next.counters);
        self.errors += next.errors;
        self.under_way = next.under_way;
        self.ttft.add(&next.ttft);
        self.itl.add(&next.itl);
    }
}

/// The window so far.
#[derive(Debug, Clone)]
pub struct Timeline {
    last: Instant,
    before: Counters,
    errors_before: u64,
    /// Pieces are at least this long, but for the last.
    piece: Duration,
    pieces: Vec<Piece>,
}

/// One piece of the window as JSON tells it. Rates are those of this piece.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Its end, since the start of the window.
    pub seconds: f64,
    /// Whole answers a second.
    pub requests_per_second: f64,
    /// Tokens of answers a second.
    pub output_tokens_per_second: f64,
    /// Tokens of prompts a second, when answers end.
    pub input_tokens_per_second: f64,
    /// Events a second.
    pub events_per_second: f64,
    /// Vectors a second.
    pub vectors_per_second: f64,
    /// Bytes read a second.
    pub bytes_in_per_second: f64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that were under way at its end.
    pub under_way: u64,
    /// Mean time to the first event, of those that came.
    pub ttft_mean_ms: Option<f64>,
    /// The longest of them.
    pub ttft_max_ms: Option<f64>,
    /// Mean time between events.
    pub itl_mean_ms: Option<f64>,
    /// The longest of them.
    pub itl_max_ms: Option<f64>,
}

impl Timeline {
    /// The window begins now.
    pub fn new(now: Instant, tally: &Tally) -> Self {
        Self {
            last: now,
            before: tally.live,
            errors_before: tally.failures(),
            piece: LOOK_EVERY.mul_f64(0.9),
            pieces: Vec::new(),
        }
    }

    /// Takes what came since the last look.
    pub fn look(&mut self, now: Instant, tally: &mut Tally, under_way: u64) {
        let next = Piece {
            length: now.saturating_duration_since(self.last),
            counters: tally.live.since(&self.before),
            errors: tally.failures().saturating_sub(self.errors_before),
            under_way,
            ttft: tally.ttft.take_recent(),
            itl: tally.itl.take_recent(),
        };
        (self.last, self.before, self.errors_before) = (now, tally.live, tally.failures());
        match self.pieces.last_mut().filter(|last| last.length < self.piece) {
            Some(last) => last.add(&next),
            None => self.pieces.push(next),
        }
        if self.pieces.len() > PIECES_MAX {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.piece *= 2;
        let pairs = self.pieces.chunks(2).map(|pair| {
            let mut sum = Piece::default();
            for piece in pair {
                sum.add(piece);
            }
            sum
        });
        self.pieces = pairs.collect();
    }

    /// The points, in order.
    pub fn points(&self) -> Vec<Point> {
        let mut end = Duration::ZERO;
        let point = |piece: &Piece| {
            end += piece.length;
            let length = piece.length.as_secs_f64().max(1e-6);
            let rate = |count: u64| count as f64 / length;
            Point {
                seconds: end.as_secs_f64(),
                requests_per_second: rate(piece.counters.requests),
                output_tokens_per_second: rate(piece.counters.output_tokens),
                input_tokens_per_second: rate(piece.counters.prompt_tokens),
                events_per_second: rate(piece.counters.events),
                vectors_per_second: rate(piece.counters.vectors),
                bytes_in_per_second: rate(piece.counters.bytes_in),
                errors: piece.errors,
                under_way: piece.under_way,
                ttft_mean_ms: piece.ttft.mean_ms(),
                ttft_max_ms: piece.ttft.max_ms(),
                itl_mean_ms: piece.itl.mean_ms(),
                itl_max_ms: piece.itl.max_ms(),
            }
        };
        // A last piece of next to no length has rates that mean nothing.
        let whole =
            self.pieces.len() - usize::from(self.pieces.last().is_some_and(|last| last.length < self.piece / 2));
        let kept = if whole == 0 { self.pieces.len() } else { whole };
        self.pieces.iter().take(kept).map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::Goal;

    /// A token every 10 ms for `looks` looks: what the points say about it.
    fn points(looks: u32) -> Vec<Point> {
        let (mut tally, start) = (Tally::new(Goal::default()), Instant::now());
        tally.event(true, true);
        let mut timeline = Timeline::new(start, &tally);
        for look in 1..=looks {
            (0..10).for_each(|_| tally.event(true, true));
            tally.ttft.record(Duration::from_millis(u64::from(look)));
            timeline.look(start + LOOK_EVERY * look, &mut tally, 7);
        }
        timeline.points()
    }

    #[test]
    fn rates_stay_the_same_however_coarse_the_pieces_are() {
        for looks in [1, 2, 240, 241, 1000, 7777] {
            let points = points(looks);
            assert!(points.len() <= PIECES_MAX && points.len() > (looks as usize).min(100) / 2, "{looks}");
            for point in &points {
                assert!((point.output_tokens_per_second - 100.0).abs() < 1e-6, "{looks}: {point:?}");
                assert_eq!((point.under_way, point.itl_mean_ms), (7, None));
            }
            let last = points.last().unwrap();
            assert!(last.seconds > f64::from(looks) * 0.1 * 0.95, "{looks}: {last:?}");
            assert!(last.ttft_max_ms.unwrap() >= f64::from(looks) * 0.95 && last.ttft_mean_ms <= last.ttft_max_ms);
        }
    }
}
