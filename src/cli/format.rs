//! How the command line shows sizes, times and tables (the behaviour page, section 9).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};

/// Hours after which an expiry counts as for ever: Ollama's "never" is 292 years away.
const FOREVER_HOURS: i64 = 20 * 365 * 24;

/// A size in decimal units: ten and more without a fraction (cut, not rounded), below with one digit.
pub fn bytes(size: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| size >= *unit) else {
        return format!("{size} B");
    };
    let value = size as f64 / unit as f64;
    if value >= 10.0 || size.is_multiple_of(unit) {
        format!("{} {name}", size / unit)
    } else {
        format!("{value:.1} {name}")
    }
}

/// Reads an RFC 3339 time out of an answer.
///
/// # Errors
/// When the text is none.
pub fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(de::Error::custom)
}

/// `time` as seen from `now`: `3 days ago`, `4 minutes from now`, `Forever`.
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    let ns = now.as_nanosecond() - time.as_nanosecond();
    let hours = ns / 3_600_000_000_000;
    if hours < -i128::from(FOREVER_HOURS) {
        return "Forever".to_owned();
    }
    let words = span(ns.unsigned_abs());
    if ns < 0 { format!("{words} from now") } else { format!("{words} ago") }
}

/// A span of time in rounded words.
fn span(ns: u128) -> String {
    let seconds = (ns / 1_000_000_000) as u64;
    let minutes = seconds / 60;
    // Half an hour rounds up: 90 minutes are two hours.
    let hours = (seconds + 1_800) / 3_600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1_440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3_600 / 24 / 365),
    }
}

/// A table: cells left aligned, four spaces behind the widest of a column, the last one too; no borders.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&header.map(str::to_owned)).chain(rows) {
        for (width, cell) in widths.iter().zip(row) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 4));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn sizes_are_decimal_and_cut() {
        for (size, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 KB"),
            (1_500, "1.5 KB"),
            (10_999, "10 KB"),
            (1_000_000, "1 MB"),
            (98_362_432, "98 MB"),
            (1_990_000_000, "2.0 GB"),
            (2_000_000_000, "2 GB"),
            (4_661_224_676, "4.7 GB"),
            (39_969_999_999, "39 GB"),
            (1_234_567_890_123, "1.2 TB"),
        ] {
            assert_eq!(bytes(size), want, "{size}");
        }
    }

    #[test]
    fn times_are_words() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 3_600;
        const DAY: i64 = 24 * HOUR;
        let now: Timestamp = "2026-11-22T20:45:32.5Z".parse().unwrap();
        for (seconds, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (2, "2 seconds"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (2 * MINUTE, "2 minutes"),
            (HOUR - 1, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 29 * MINUTE, "About an hour"),
            (HOUR + 30 * MINUTE, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
            (19 * 365 * DAY, "19 years"),
        ] {
            let delta = SignedDuration::from_secs(seconds);
            assert_eq!(relative(now - delta, now), format!("{want} ago"));
            if seconds > 0 {
                assert_eq!(relative(now + delta, now), format!("{want} from now"));
            }
        }
        assert_eq!(relative("2318-11-22T20:45:32Z".parse().unwrap(), now), "Forever");
    }

    #[test]
    fn a_table_pads_every_cell_and_shows_its_head_when_empty() {
        assert_eq!(table(["A", "LONG"], &[]), "A    LONG    \n");
        let rows = [["wide é".to_owned(), "x".to_owned()]];
        assert_eq!(table(["A", "LONG"], &rows), "A         LONG    \nwide é    x       \n");
    }
}
