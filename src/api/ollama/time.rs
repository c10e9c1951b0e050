//! Times as Go's `RFC3339Nano` prints them (the behaviour page, section 0.3).

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// In UTC, with a `Z`: `created_at`.
pub fn utc(time: Timestamp) -> String {
    local(time, &TimeZone::UTC)
}

/// In a zone, with its offset, or `Z` where that is none: `modified_at` and `expires_at`, in the server's zone.
pub fn local(time: Timestamp, zone: &TimeZone) -> String {
    let offset = zone.to_offset(time);
    let moment = offset.to_datetime(time);
    let mut text = moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let nanoseconds = moment.subsec_nanosecond();
    if nanoseconds != 0 {
        text.push('.');
        text.push_str(format!("{nanoseconds:09}").trim_end_matches('0'));
    }
    let minutes = offset.seconds() / 60;
    if minutes == 0 {
        text.push('Z');
    } else {
        let sign = if minutes < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        _ = write!(text, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_of_the_fraction_are_cut() {
        for (nanoseconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (120_000_000, "1970-01-01T00:00:00.12Z"),
            (1_795_378_532_591_531_543, "2026-11-22T20:15:32.591531543Z"),
            (1_795_378_532_600_000_000, "2026-11-22T20:15:32.6Z"),
            // A model that stays forever: now and 292 years.
            (11_018_750_568_854_775_807, "2319-03-04T20:02:48.854775807Z"),
        ] {
            let time = Timestamp::from_nanosecond(nanoseconds).expect("in range");
            assert_eq!(utc(time), want);
        }
    }

    #[test]
    fn zones_have_their_offset() {
        let time = Timestamp::from_nanosecond(1_795_378_532_500_000_000).expect("in range");
        for (seconds, want) in [
            (0, "2026-11-22T20:15:32.5Z"),
            (2 * 3600, "2026-11-22T22:15:32.5+02:00"),
            (-(3 * 3600 + 30 * 60), "2026-11-22T16:45:32.5-03:30"),
            (5 * 3600 + 45 * 60, "2026-11-23T02:00:32.5+05:45"),
        ] {
            let offset = jiff::tz::Offset::from_seconds(seconds).expect("in range");
            assert_eq!(local(time, &offset.to_time_zone()), want);
        }
    }
}
