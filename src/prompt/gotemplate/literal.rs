//! Constants as Go spells them: texts with their escapes, characters, and numbers in every base.

use super::error::clip;
use super::tree::Number;

/// The text between quotes or backquotes, both still there. `None`: an escape that Go does not have.
pub(super) fn unquote(quoted: &str) -> Option<Vec<u8>> {
    if let Some(raw) = quoted.strip_prefix('`') {
        // Go takes carriage returns out of raw texts.
        return Some(raw.strip_suffix('`')?.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (piece, after) = unescape(rest, '"')?;
        match piece {
            Piece::Char(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Piece::Byte(byte) => text.push(byte),
        }
        rest = after;
    }
    Some(text)
}

/// What an escape stands for: `\xff` is a byte, not a character.
enum Piece {
    Char(char),
    Byte(u8),
}

impl Piece {
    fn code(self) -> i64 {
        match self {
            Self::Char(c) => i64::from(u32::from(c)),
            Self::Byte(byte) => i64::from(byte),
        }
    }
}

/// The first character of `text`, escaped or not, and what follows it. Of the quotes only `quote` may be escaped.
fn unescape(text: &str, quote: char) -> Option<(Piece, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((Piece::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let plain = |c| Some((Piece::Char(c), rest));
    match escape {
        'a' => plain('\x07'),
        'b' => plain('\x08'),
        'f' => plain('\x0c'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\x0b'),
        '\\' => plain('\\'),
        '\'' | '"' if escape == quote => plain(quote),
        'x' => {
            let (code, rest) = digits(rest, 2, 16)?;
            Some((Piece::Byte(u8::try_from(code).ok()?), rest))
        }
        '0'..='7' => {
            let (code, rest) = digits(&text[1..], 3, 8)?;
            Some((Piece::Byte(u8::try_from(code).ok()?), rest))
        }
        'u' | 'U' => {
            let (code, rest) = digits(rest, if escape == 'u' { 4 } else { 8 }, 16)?;
            Some((Piece::Char(char::from_u32(code)?), rest))
        }
        _ => None,
    }
}

/// Exactly `count` digits of that base.
fn digits(text: &str, count: usize, base: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let all = digits.chars().all(|digit| digit.is_digit(base));
    Some((u32::from_str_radix(digits, base).ok().filter(|_| all)?, rest))
}

/// A character constant, quotes and all, as the number that it is.
pub(super) fn character(quoted: &str) -> Result<Number, String> {
    let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inner.and_then(|inner| unescape(inner, '\'')) {
        Some((piece, "")) => Ok(Number::Int(piece.code())),
        _ => Err(format!("malformed character constant: {}", clip(quoted))),
    }
}

/// A sum of a real and an imaginary number.
pub(super) fn complex(text: &str) -> Result<Number, String> {
    // The sign between the two is the last one that no exponent begins with.
    let in_exponent = |at: usize| text[..at].ends_with(['e', 'E', 'p', 'P']);
    let sign = text.rmatch_indices(['+', '-']).map(|(at, _)| at).find(|at| *at > 0 && !in_exponent(*at));
    let split = sign.map(|at| text.split_at(at));
    let parts = split.and_then(|(real, imaginary)| Some((float(real)?, float(imaginary.strip_suffix('i')?)?)));
    let (real, imaginary) = parts.ok_or_else(|| format!("bad complex number: {}", clip(text)))?;
    Ok(Number::Complex(real, imaginary))
}

/// A number on its own. Integers come first, as Go does it: `0x1e3` is one, `1e3` is a float.
pub(super) fn number(text: &str) -> Result<Number, String> {
    if let Some(imaginary) = text.strip_suffix('i').and_then(float) {
        return Ok(Number::Complex(0.0, imaginary));
    }
    match integer(text) {
        Some(Ok(value)) => return Ok(Number::Int(value)),
        Some(Err(TooLarge::ForInt)) => return Ok(Number::TooLarge),
        Some(Err(TooLarge::ForAnything)) => return Err(format!("integer overflow: \"{}\"", clip(text))),
        None => {}
    }
    match float(text) {
        Some(value) if text.contains(['.', 'e', 'E', 'p', 'P']) => Ok(Number::Float(value)),
        Some(_) => Err(format!("integer overflow: \"{}\"", clip(text))),
        None => Err(format!("illegal number syntax: \"{}\"", clip(text))),
    }
}

/// How an integer does not fit.
#[derive(Debug, PartialEq, Eq)]
enum TooLarge {
    /// Fits only without a sign.
    ForInt,
    ForAnything,
}

/// `None`: no integer at all. A leading 0 alone means octal, as in C.
fn integer(text: &str) -> Option<Result<i64, TooLarge>> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = body.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match prefix.as_deref() {
        Some("0x") => (16, &body[2..]),
        Some("0o") => (8, &body[2..]),
        Some("0b") => (2, &body[2..]),
        _ if body.len() > 1 && body.starts_with('0') => (8, &body[1..]),
        _ => (10, body),
    };
    if !underscores_fit(body) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let Ok(size) = u64::from_str_radix(&digits, base) else {
        return Some(Err(TooLarge::ForAnything));
    };
    let value = if negative { -i128::from(size) } else { i128::from(size) };
    let unsigned = !negative && !text.starts_with('+');
    Some(i64::try_from(value).map_err(|_| if unsigned { TooLarge::ForInt } else { TooLarge::ForAnything }))
}

/// Whether each `_` stands between digits, the prefix of a base counting as one.
fn underscores_fit(body: &str) -> bool {
    let bytes = body.as_bytes();
    let has_prefix = bytes.len() >= 2 && bytes[0] == b'0' && b"xXoObB".contains(&bytes[1]);
    let hex = has_prefix && bytes[1].eq_ignore_ascii_case(&b'x');
    let is_digit = |at: usize| {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit()) || (has_prefix && at == 1)
    };
    let mut underscores = (0..bytes.len()).filter(|at| bytes[*at] == b'_');
    underscores.all(|at| at > 0 && is_digit(at - 1) && is_digit(at + 1))
}

/// A float in decimal or hexadecimal spelling, finite.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !underscores_fit(unsigned) || !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let plain = text.replace('_', "");
    let lower = unsigned.to_ascii_lowercase().replace('_', "");
    let value = match lower.strip_prefix("0x") {
        Some(hex) => hex_float(hex)? * if text.starts_with('-') { -1.0 } else { 1.0 },
        None => plain.parse().ok()?,
    };
    Some(value).filter(|value: &f64| value.is_finite())
}

/// `1.8p-3`, without its prefix. Up to 16 significant digits count, which is more than a float holds.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 16 || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let size = u64::from_str_radix(&digits, 16).ok()?;
    let scale = exponent.checked_sub(4 * fraction.len() as i32)?;
    // In two halves: 2 to the whole power may already be zero or infinite where the product is not.
    Some(size as f64 * 2f64.powi(scale / 2) * 2f64.powi(scale - scale / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (quoted, want) in [
            (r#""""#, Some(&b""[..])),
            (r#""a\tb\n\\\"""#, Some(b"a\tb\n\\\"")),
            (r#""\x41\101\u00e9\U0001F999""#, Some("AA\u{e9}\u{1f999}".as_bytes())),
            (r#""\xff""#, Some(b"\xff")),
            (r#""\'""#, None),
            (r#""\z""#, None),
            (r#""\x4""#, None),
            (r#""\400""#, None),
            (r#""\u+123""#, None),
            (r#""\ud800""#, None),
            ("`a\\n\r\n`", Some(b"a\\n\n")),
        ] {
            assert_eq!(unquote(quoted).as_deref(), want, "{quoted}");
        }
    }

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", Some(Number::Int(0))),
            ("-0", Some(Number::Int(0))),
            ("+5", Some(Number::Int(5))),
            ("073", Some(Number::Int(59))),
            ("0o73", Some(Number::Int(59))),
            ("0b101", Some(Number::Int(5))),
            ("-0xFf", Some(Number::Int(-255))),
            ("0x_1F", Some(Number::Int(31))),
            ("1_000", Some(Number::Int(1000))),
            ("1__0", None),
            ("_1", None),
            ("089", None),
            ("1e3", Some(Number::Float(1000.0))),
            ("1.", Some(Number::Float(1.0))),
            (".5", Some(Number::Float(0.5))),
            ("-1.5e-3", Some(Number::Float(-0.0015))),
            ("0x1p-2", Some(Number::Float(0.25))),
            ("1e999", None),
            ("9223372036854775807", Some(Number::Int(i64::MAX))),
            ("-9223372036854775808", Some(Number::Int(i64::MIN))),
            ("9223372036854775808", Some(Number::TooLarge)),
            ("18446744073709551616", None),
            ("2i", Some(Number::Complex(0.0, 2.0))),
            ("0x", None),
            (".", None),
            ("-", None),
        ] {
            assert_eq!(number(text).ok(), want, "{text}");
        }
        assert_eq!(complex("1e+2-3i"), Ok(Number::Complex(100.0, -3.0)));
        assert_eq!(complex("1+2e-3i"), Ok(Number::Complex(1.0, 0.002)));
        assert_eq!(complex("1+2"), Err("bad complex number: 1+2".to_owned()));
        for (text, want) in
            [("'a'", Some(97)), ("'\\n'", Some(10)), ("'é'", Some(233)), ("'ab'", None), ("'\\\"'", None)]
        {
            assert_eq!(character(text).ok(), want.map(Number::Int), "{text}");
        }
    }
}
