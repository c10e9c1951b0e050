//! Times and sizes as flags spell them: `250us`, `1.5s`, `2m`; `64k`, `10M`.

use std::time::Duration;

/// Longest time that a flag may ask for: a week.
const TIME_MAX_SECONDS: f64 = 7.0 * 86_400.0;
/// Largest size that a flag may ask for: 1 TiB.
const SIZE_MAX: f64 = (1_u64 << 40) as f64;

/// Units of time, in seconds.
const TIME_UNITS: &[(&str, f64)] = &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0)];
/// Units of size, in bytes: powers of 1024, as servers count.
const SIZE_UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kib", 1024.0),
    ("m", 1_048_576.0),
    ("mib", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("gib", 1_073_741_824.0),
];

/// Reads a time with its unit: us, ms, s, m (or min), h.
///
/// # Errors
/// A sentence for the command line.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds =
        scaled(text, TIME_UNITS).ok_or_else(|| format!("{text:?} is no time like 250us, 20ms, 1.5s or 2m"))?;
    if seconds > TIME_MAX_SECONDS {
        return Err(format!("{text:?} is longer than a week"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads a size in bytes, or with k, M, G (1024 each).
///
/// # Errors
/// A sentence for the command line.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = scaled(text, SIZE_UNITS).ok_or_else(|| format!("{text:?} is no size like 500, 64k or 10M"))?;
    if bytes > SIZE_MAX {
        return Err(format!("{text:?} is larger than 1 TiB"));
    }
    Ok(bytes as u64)
}

/// A share between 0 and 1.
///
/// # Errors
/// A sentence for the command line.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is no number between 0 and 1"))
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        for (text, want) in [("250us", 250), ("5ms", 5000), ("1.5s", 1_500_000), ("2m", 120_000_000), ("0s", 0)] {
            assert_eq!(time(text), Ok(Duration::from_micros(want)), "{text}");
        }
        for bad in ["", "5", "s", "-1s", "1e9s", "9999999999s", "1.2.3s", "5 parsecs"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        for (text, want) in [("500", 500), ("64k", 65_536), ("10M", 10_485_760), ("1GiB", 1 << 30), ("1.5k", 1536)] {
            assert_eq!(size(text), Ok(want), "{text}");
        }
        assert!(size("5000G").is_err() && size("k").is_err());
        assert_eq!((share("0.25"), share("1.5").is_err(), share("x").is_err()), (Ok(0.25), true, true));
    }
}
