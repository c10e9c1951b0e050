//! Numbers in Go's spelling (`strconv.FormatFloat`): Rust finds the digits, the layout is Go's.

/// Most digits behind the point that a `float64` can have; what is asked beyond is zeros. (Rust's formatter takes no
/// more than 65,535.)
const DIGITS_MAX: usize = 1100;

/// `value` by the verb `e`, `f`, `g`, `x` or `b` (or `E`, `G`, `X`); `precision` `None`: as few digits as give the number back.
pub(super) fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    match verb {
        b'e' | b'E' => exponential(value, verb, precision),
        b'f' => match precision {
            Some(precision) => {
                let text = format!("{value:.*}", precision.min(DIGITS_MAX));
                text + &"0".repeat(precision.saturating_sub(DIGITS_MAX))
            }
            None => value.to_string(),
        },
        b'x' => hexadecimal(value, precision),
        b'X' => hexadecimal(value, precision).to_uppercase(),
        b'b' => {
            let (negative, mantissa, power) = parts(value);
            format!("{}{mantissa}p{power:+}", if negative { "-" } else { "" })
        }
        _ => general(value, verb, precision),
    }
}

/// Sign, mantissa and the power of two that the mantissa is multiplied with.
fn parts(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (value.is_sign_negative(), mantissa, exponent.max(1) - 1075)
}

/// `%x`: the mantissa between 1 and 2, in hexadecimal, rounded half to even.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    /// Hexadecimal digits of a fraction of 60 bits.
    const DIGITS: usize = 15;
    let (negative, mantissa, mut power) = parts(value);
    let mut fraction = 0;
    let mut whole = 0;
    if mantissa == 0 {
        power = 0;
    } else {
        // The leading one comes to bit 60, so that the fraction has whole digits.
        let shift = mantissa.leading_zeros() as i32 - 3;
        let mut shifted = mantissa << shift;
        power += 60 - shift;
        if let Some(precision) = precision.filter(|precision| *precision < DIGITS) {
            let dropped = 4 * (DIGITS - precision);
            let rest = shifted & ((1 << dropped) - 1);
            let half = 1 << (dropped - 1);
            shifted >>= dropped;
            shifted += u64::from(rest > half || (rest == half && shifted & 1 == 1));
            shifted <<= dropped;
            if shifted >> 61 == 1 {
                shifted >>= 1;
                power += 1;
            }
        }
        whole = shifted >> 60;
        fraction = shifted & ((1 << 60) - 1);
    }
    let digits = format!("{fraction:015x}");
    let digits = match precision {
        Some(precision) => format!("{digits:0<precision$.precision$}", precision = precision.min(DIGITS_MAX)),
        None => digits.trim_end_matches('0').to_owned(),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let (sign, power_sign) = (if negative { "-" } else { "" }, if power < 0 { '-' } else { '+' });
    format!("{sign}0x{whole}{point}{digits}p{power_sign}{:02}", power.abs())
}

fn exponential(value: f64, verb: u8, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.*e}", precision.min(DIGITS_MAX)),
        None => format!("{value:e}"),
    };
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let zeros = precision.unwrap_or(0).saturating_sub(DIGITS_MAX);
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}{}{}{sign}{power:0>2}", "0".repeat(zeros), char::from(verb))
}

/// `%g`: plain from 1e-4 up to the precision, else with an exponent.
fn general(value: f64, verb: u8, precision: Option<usize>) -> String {
    let wanted = precision.map(|precision| precision.clamp(1, DIGITS_MAX));
    let text = match wanted {
        Some(wanted) => format!("{value:.*e}", wanted - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let digits = digits.trim_end_matches('0').len().max(1);
    let point = power + 1;
    let limit = match wanted {
        None => SHORTEST_LIMIT,
        Some(wanted) if wanted > digits && digits as i32 >= point => digits as i32,
        Some(wanted) => wanted as i32,
    };
    if power < -4 || power >= limit {
        let letter = if verb == b'G' { b'E' } else { b'e' };
        return exponential(value, letter, Some(digits - 1));
    }
    format!("{value:.*}", (digits as i32 - point).max(0) as usize)
}

/// Smallest power of ten that `%g` writes with an exponent when it may choose its digits.
const SHORTEST_LIMIT: i32 = 6;

/// A number as JSON has it: with an exponent below 1e-6 and from 1e21 on.
pub(super) fn json_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        for (value, verb, precision, want) in [
            (1e6, b'g', None, "1e+06"),
            (1e20, b'g', None, "1e+20"),
            (123_456_789.0, b'g', None, "1.23456789e+08"),
            (1_234_567.5, b'g', None, "1.2345675e+06"),
            (100_000.0, b'g', None, "100000"),
            (2.14, b'g', None, "2.14"),
            (-0.0, b'g', None, "-0"),
            (0.0001, b'g', None, "0.0001"),
            (1e-5, b'g', None, "1e-05"),
            (1e8, b'g', Some(3), "1e+08"),
            (1e8, b'g', Some(10), "100000000"),
            (1.5, b'g', Some(0), "2"),
            (0.5, b'G', Some(1), "0.5"),
            (1e-7, b'G', Some(5), "1E-07"),
            (2.5, b'f', Some(0), "2"),
            (2.14159, b'f', Some(2), "2.14"),
            (1.5e300, b'e', Some(2), "1.50e+300"),
            (1234.0, b'E', None, "1.234E+03"),
            (f64::INFINITY, b'g', None, "+Inf"),
            (f64::NAN, b'f', Some(2), "NaN"),
        ] {
            assert_eq!(format_float(value, verb, precision), want, "{value} {} {precision:?}", char::from(verb));
        }
        assert_eq!(format_float(0.5, b'f', Some(100_000)).len(), 100_002);
        assert_eq!(format_float(0.5, b'e', Some(100_000)).len(), 100_006);
    }
}
