//! Go's notation for durations (`1h2m3.5s`), which Ollama uses in variables, flags and printed timings.

/// Why a text is not a duration. The words are those of Go's `time.ParseDuration`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `[-+](number unit)+`, or longer than 292 years.
    #[error("time: invalid duration \"{0}\"")]
    Invalid(String),
    /// A number without a unit behind it.
    #[error("time: missing unit in duration \"{0}\"")]
    MissingUnit(String),
    /// A unit other than `ns`, `us`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit \"{unit}\" in duration \"{text}\"")]
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Nanoseconds of a unit. Both signs for micro are taken, as Go does.
fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Reads a duration in Go's notation; the result is in nanoseconds.
///
/// # Errors
/// [`DurationError`], in Go's words.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
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
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(number_len);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let unit_len = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let scale =
            unit_ns(unit).ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
        let part = part_ns(whole, fraction, scale).ok_or_else(invalid)?;
        total = total.checked_add(part).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = next;
    }
    if negative {
        // The lowest number has no positive twin, hence the detour over the wrapping negation.
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// `whole.fraction` times `scale`, cut to whole nanoseconds, or nothing when that does not fit.
fn part_ns(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    // No unit is longer than 10^13 ns, so that further digits cannot count.
    const DIGITS_MAX: usize = 18;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..DIGITS_MAX).unwrap_or(fraction);
    let below: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let below = below * u128::from(scale) / 10_u128.pow(fraction.len() as u32);
    whole.checked_mul(scale)?.checked_add(below as u64)
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
    fn durations_are_read_as_go_reads_them() {
        let table: &[(&str, Result<i64, &str>)] = &[
            ("5m", Ok(300_000_000_000)),
            ("1h2m3.5s", Ok(3_723_500_000_000)),
            ("300ms", Ok(300_000_000)),
            (".5s", Ok(500_000_000)),
            ("0.3s", Ok(300_000_000)),
            ("1.000000001s", Ok(1_000_000_001)),
            ("0.99999999999999999999999s", Ok(999_999_999)),
            ("-1s", Ok(-1_000_000_000)),
            ("+2ns", Ok(2)),
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1\u{b5}s", Ok(1_000)),
            ("2562047h47m16.854775807s", Ok(i64::MAX)),
            ("300", Err("time: missing unit in duration \"300\"")),
            ("-1", Err("time: missing unit in duration \"-1\"")),
            ("", Err("time: invalid duration \"\"")),
            ("-", Err("time: invalid duration \"-\"")),
            (".s", Err("time: invalid duration \".s\"")),
            ("1.2.3s", Err("time: invalid duration \"1.2.3s\"")),
            ("s", Err("time: invalid duration \"s\"")),
            ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
            ("9999999h", Err("time: invalid duration \"9999999h\"")),
            ("99999999999999999999s", Err("time: invalid duration \"99999999999999999999s\"")),
        ];
        for (text, want) in table {
            let got = parse(text).map_err(|e| e.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{text:?}");
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
