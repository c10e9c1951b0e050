//! Go's durations, `1h30m`, `-1.5s`, `300ms`, read and written (package `time`). Variables, flags, requests and printed
//! timings use them.

use std::fmt::Write;

/// Why a text is no duration, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number where one should be, or more than Go's range of 292 years.
    #[error("time: invalid duration {0}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0}")]
    NoUnit(String),
    /// A unit that there is none of.
    #[error("time: unknown unit {unit} in duration {duration}")]
    UnknownUnit {
        /// The unit, quoted.
        unit: String,
        /// All of the text, quoted.
        duration: String,
    },
}

/// Nanoseconds of a duration as Go writes it: numbers with units, one behind the other, and a sign in front.
///
/// # Errors
/// When the text is something else, or the duration does not fit 63 bits.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, behind) = Decimal::read(rest).ok_or_else(invalid)?;
        let end = behind.find(|character: char| character == '.' || character.is_ascii_digit());
        let (unit, next) = behind.split_at(end.unwrap_or(behind.len()));
        if unit.is_empty() {
            return Err(DurationError::NoUnit(quote(text)));
        }
        let unit =
            nanoseconds(unit).ok_or_else(|| DurationError::UnknownUnit { unit: quote(unit), duration: quote(text) })?;
        total = number.times(unit).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        if total > 1 << 63 {
            return Err(invalid());
        }
        rest = next;
    }
    if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }.ok_or_else(invalid)
}

fn nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Micro sign and Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A number with digits before the point, behind it, or both.
struct Decimal {
    whole: u64,
    fraction: u64,
    /// Ten to the power of the fraction's digits.
    scale: f64,
}

impl Decimal {
    /// The number that `text` begins with and what follows it; `None` when there is none or its whole part is too big.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (digits, mut rest) = leading_digits(text);
        let whole = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let mut number = Self { whole, fraction: 0, scale: 1.0 };
        let mut fraction = "";
        if let Some(behind) = rest.strip_prefix('.') {
            (fraction, rest) = leading_digits(behind);
        }
        if digits.is_empty() && fraction.is_empty() {
            return None;
        }
        // As many digits as 63 bits hold: the rest is below a nanosecond of any unit.
        for digit in fraction.bytes() {
            let longer = number.fraction.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
            let Some(longer) = longer.filter(|longer| *longer <= 1 << 63) else { break };
            number.fraction = longer;
            number.scale *= 10.0;
        }
        Some((number, rest))
    }

    /// This many units, in nanoseconds, cut to whole ones.
    fn times(&self, unit: u64) -> Option<u64> {
        let part = self.fraction as f64 * (unit as f64 / self.scale);
        self.whole.checked_mul(unit)?.checked_add(part as u64)
    }
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()))
}

/// As `time` quotes: bytes outside printable ASCII in hexadecimal. (`%q`, which the rest of Go uses, leaves letters.)
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out.push('"');
    out
}

/// Writes nanoseconds as Go prints a duration: `1h2m3.5s`, `12.5ms`, `870µs`, `0s`.
pub fn format(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    if ns < SECOND {
        return match ns {
            0 => "0s".to_owned(),
            1..1_000 => format!("{ns}ns"),
            1_000..1_000_000 => format!("{}\u{b5}s", decimal(ns, 3)),
            _ => format!("{}ms", decimal(ns, 6)),
        };
    }
    let minutes = ns / (60 * SECOND);
    let seconds = decimal(ns % (60 * SECOND), 9);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// `value` with its last `digits` digits behind the point, without trailing zeros.
fn decimal(value: u64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let fraction = format!("{:0width$}", value % scale, width = digits as usize);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { (value / scale).to_string() } else { format!("{}.{fraction}", value / scale) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_go_parses() {
        for (text, want) in [
            ("0", 0),
            ("-0", 0),
            ("+5s", 5_000_000_000),
            ("5m", 300_000_000_000),
            ("-1s", -1_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("1.s", 1_000_000_000),
            (".5s", 500_000_000),
            ("3us2\u{b5}s1\u{3bc}s", 6_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("2562047h47m16.854775807s", i64::MAX),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("-", "time: invalid duration \"-\""),
            (".s", "time: invalid duration \".s\""),
            ("+-1s", "time: invalid duration \"+-1s\""),
            ("300", "time: missing unit in duration \"300\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("1s 2s", "time: unknown unit \"s \" in duration \"1s 2s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
            ("99999999999999999999s", "time: invalid duration \"99999999999999999999s\""),
            ("1\u{e9}\"", "time: unknown unit \"\\xc3\\xa9\\\"\" in duration \"1\\xc3\\xa9\\\"\""),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (999_999_999, "999.999999ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
        ];
        for (ns, want) in table {
            assert_eq!(format(ns), want);
            assert_eq!(parse(want), Ok(ns as i64), "and back");
        }
    }
}
