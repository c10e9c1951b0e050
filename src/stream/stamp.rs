//! `created_at`: RFC 3339 in UTC with up to nine digits of the second, trailing zeros left out (Go's `RFC3339Nano`).

use std::time::Duration;

/// `2026-11-22T20:35:32.591531543Z`.
const STAMP_BYTES: usize = 30;
/// `2026-11-22T20:35:32`.
const SECOND_BYTES: usize = 19;

/// A point in time as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    text: [u8; STAMP_BYTES],
    len: usize,
}

impl Stamp {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// Writes stamps. The date and the time of day change once a second, and thousands of frames fall into one.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The second that `text` shows, since 1970; `None`: none yet.
    second: Option<u64>,
    text: [u8; SECOND_BYTES],
}

impl Clock {
    /// The stamp of a time since 1970. What lies beyond jiff's last second, in 9999, is written as that one.
    pub(super) fn stamp(&mut self, since: Duration) -> Stamp {
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.text = second_text(since.as_secs());
        }
        let mut text = [b'Z'; STAMP_BYTES];
        text[..SECOND_BYTES].copy_from_slice(&self.text);
        let mut rest = since.subsec_nanos();
        if rest == 0 {
            return Stamp { text, len: SECOND_BYTES + 1 };
        }
        text[SECOND_BYTES] = b'.';
        let mut digits = 9;
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        for place in (0..digits).rev() {
            text[SECOND_BYTES + 1 + place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let len = SECOND_BYTES + 1 + digits + 1;
        text[len - 1] = b'Z';
        Stamp { text, len }
    }
}

fn second_text(second: u64) -> [u8; SECOND_BYTES] {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let at = jiff::tz::Offset::UTC.to_datetime(time);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |from: usize, digits: usize, number: i16| {
        let mut rest = number.unsigned_abs();
        for place in (from..from + digits).rev() {
            text[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    put(0, 4, at.year());
    put(5, 2, at.month().into());
    put(8, 2, at.day().into());
    put(11, 2, at.hour().into());
    put(14, 2, at.minute().into());
    put(17, 2, at.second().into());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(clock: &mut Clock, secs: u64, nanos: u32) -> String {
        String::from_utf8(clock.stamp(Duration::new(secs, nanos)).bytes().to_vec()).unwrap()
    }

    #[test]
    fn known_times() {
        let mut clock = Clock::default();
        let table = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_868_799, 999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (1_795_379_732, 591_531_543, "2026-11-22T20:35:32.591531543Z"),
            (1_795_379_732, 609_779_410, "2026-11-22T20:35:32.60977941Z"),
            (1_795_379_732, 500_000_000, "2026-11-22T20:35:32.5Z"),
            (1_795_379_732, 1, "2026-11-22T20:35:32.000000001Z"),
            (1_795_379_733, 0, "2026-11-22T20:35:33Z"),
            (253_402_207_199, 0, "9999-12-30T21:59:59Z"),
            (u64::MAX, 0, "9999-12-30T22:00:00Z"),
        ];
        for (secs, nanos, expected) in table {
            assert_eq!(text(&mut clock, secs, nanos), expected);
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_the_same_time(secs in 0_u64..20_000_000_000, nanos in 0_u32..1_000_000_000) {
            let stamp = text(&mut Clock::default(), secs, nanos);
            let back: jiff::Timestamp = stamp.parse().unwrap();
            prop_assert_eq!((back.as_second(), back.subsec_nanosecond()), (secs as i64, nanos as i32));
        }
    }
}
