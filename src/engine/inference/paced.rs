//! Streams of made-up tokens, paced by the clock: everything but the model, for tests and benches.

use crate::engine::wire::Synthetic;

/// Events that are behind by more than this come at the pace of the clock again, not all at once.
const LAG_NS: u64 = 100_000_000;

/// One stream.
#[derive(Debug)]
pub struct Paced {
    text: String,
    left: u32,
    sent: u32,
    interval_ns: u64,
    due: u64,
    started: u64,
}

impl Paced {
    /// A stream that begins now.
    pub fn new(work: Synthetic, now: u64) -> Self {
        Self {
            text: "x".repeat(usize::from(work.text_bytes)),
            left: work.events,
            sent: 0,
            interval_ns: u64::from(work.interval_us) * 1000,
            due: now,
            started: now,
        }
    }

    /// When the next event is due.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// Whether there is nothing left to send.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Events so far.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// When it began.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The next event's text, if one is due.
    pub fn next(&mut self, now: u64) -> Option<&str> {
        if self.left == 0 || self.due > now {
            return None;
        }
        self.left -= 1;
        self.sent += 1;
        let from = self.due.max(now.saturating_sub(LAG_NS));
        // Streams of one interval come due together, as the sequences of one decode step do.
        self.due = from.checked_div(self.interval_ns).map_or(from, |steps| (steps + 1) * self.interval_ns);
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_when_they_are_due() {
        let mut paced = Paced::new(Synthetic { events: 3, interval_us: 10, text_bytes: 2 }, 1_000);
        assert_eq!(paced.next(999), None);
        assert_eq!(paced.next(1_000), Some("xx"));
        assert_eq!(paced.next(9_999), None);
        assert_eq!(paced.next(10_000), Some("xx"));
        assert!(!paced.is_over());
        assert_eq!(paced.next(LAG_NS * 3), Some("xx"));
        assert!(paced.is_over());
        assert_eq!(paced.next(u64::MAX), None);
        assert_eq!(paced.sent(), 3);
    }
}
