//! Go's durations: `1h30m`, `-1.5s`, `300ms` (package `time`, `ParseDuration`).

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
}
