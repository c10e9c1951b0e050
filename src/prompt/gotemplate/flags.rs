//! How one verb of a format writes texts and numbers: width, precision and flags (the lower half of Go's `fmt`).

use super::budget::Sink;
use super::number::format_float;
use super::runes::{Rune, fits_backquotes, quote, quote_char, runes};

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub minus: bool,
    pub plus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    /// `%+v`.
    pub plus_v: bool,
    /// `%#v`.
    pub sharp_v: bool,
}

impl Flags {
    fn fill(&self, sink: &mut Sink, count: usize) {
        let byte = if self.zero && !self.minus { b'0' } else { b' ' };
        sink.fill(byte, count);
    }

    /// Writes `text`, filled up to the width.
    pub fn pad(&self, sink: &mut Sink, text: &[u8]) {
        let width = self.width.unwrap_or(0);
        let missing = if width == 0 { 0 } else { width.saturating_sub(runes(text).count()) };
        if self.minus {
            sink.push(text);
            self.fill(sink, missing);
        } else {
            self.fill(sink, missing);
            sink.push(text);
        }
    }

    fn pad_with_spaces(&self, sink: &mut Sink, text: &[u8]) {
        Self { zero: false, ..*self }.pad(sink, text);
    }

    /// No more runes than the precision allows.
    fn truncate<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        match self.precision {
            Some(precision) => &text[..runes(text).take(precision).map(Rune::len).sum()],
            None => text,
        }
    }

    /// `%s`.
    pub fn string(&self, sink: &mut Sink, text: &[u8]) {
        self.pad(sink, self.truncate(text));
    }

    /// `%q`.
    pub fn quoted(&self, sink: &mut Sink, text: &[u8]) {
        let text = self.truncate(text);
        if self.sharp && fits_backquotes(text) {
            self.pad(sink, &[b"`", text, b"`"].concat());
        } else {
            self.pad(sink, quote(text, self.plus).as_bytes());
        }
    }

    /// `%x` of bytes.
    pub fn hex(&self, sink: &mut Sink, bytes: &[u8], upper: bool) {
        let length = self.precision.map_or(bytes.len(), |precision| precision.min(bytes.len()));
        if length == 0 {
            self.fill(sink, self.width.unwrap_or(0));
            return;
        }
        let prefix = if upper { "0X" } else { "0x" };
        let mut text = String::new();
        for (at, byte) in bytes[..length].iter().enumerate() {
            if self.space && at > 0 {
                text.push(' ');
            }
            if self.sharp && (at == 0 || self.space) {
                text.push_str(prefix);
            }
            for half in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(half), 16).unwrap_or('0');
                text.push(if upper { digit.to_ascii_uppercase() } else { digit });
            }
        }
        self.pad(sink, text.as_bytes());
    }

    /// `%c`.
    pub fn character(&self, sink: &mut Sink, code: u64) {
        self.pad(sink, to_char(code).encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `%q` of a number.
    pub fn quoted_character(&self, sink: &mut Sink, code: u64) {
        self.pad(sink, quote_char(to_char(code), self.plus).as_bytes());
    }

    /// `%U`.
    pub fn unicode(&self, sink: &mut Sink, code: u64) {
        let digits = self.precision.unwrap_or(0).max(4);
        let mut text = format!("U+{}", pad_left(&format!("{code:X}"), digits));
        let c = u32::try_from(code).ok().and_then(char::from_u32);
        if let Some(c) = c.filter(|c| self.sharp && super::runes::is_print(*c)) {
            text.extend([' ', '\'', c, '\'']);
        }
        self.pad_with_spaces(sink, text.as_bytes());
    }

    /// An integer in a base by its verb: `d`, `b`, `o`, `O`, `x` or `X`.
    pub fn integer(&self, sink: &mut Sink, negative: bool, size: u64, verb: char) {
        let mut digits = match verb {
            'b' => format!("{size:b}"),
            'o' | 'O' => format!("{size:o}"),
            'x' => format!("{size:x}"),
            'X' => format!("{size:X}"),
            _ => size.to_string(),
        };
        let has_sign = negative || self.plus || self.space;
        let least = match (self.precision, self.width) {
            (Some(0), _) if size == 0 => {
                sink.fill(b' ', self.width.unwrap_or(0));
                return;
            }
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(usize::from(has_sign)),
            _ => 0,
        };
        digits = pad_left(&digits, least);
        let mut text = String::new();
        if has_sign {
            text.push(if negative {
                '-'
            } else if self.plus {
                '+'
            } else {
                ' '
            });
        }
        match verb {
            'O' => text.push_str("0o"),
            'b' if self.sharp => text.push_str("0b"),
            'x' if self.sharp => text.push_str("0x"),
            'X' if self.sharp => text.push_str("0X"),
            _ => {}
        }
        if self.sharp && matches!(verb, 'o' | 'O') && !digits.starts_with('0') {
            text.push('0');
        }
        text.push_str(&digits);
        self.pad_with_spaces(sink, text.as_bytes());
    }

    /// A float by its verb: `e`, `E`, `f`, `g`, `G`, `x`, `X`, `b`, or `v` for the shortest.
    pub fn float(&self, sink: &mut Sink, value: f64, verb: char, precision: Option<usize>) {
        let precision = self.precision.or(precision);
        let layout = if verb == 'v' { b'g' } else { verb as u8 };
        let mut text = format_float(value, layout, precision);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.space && text.starts_with('+') && !self.plus {
            text.replace_range(..1, " ");
        }
        if !value.is_finite() {
            let from = usize::from(value.is_nan() && !self.plus && !self.space);
            self.pad_with_spaces(sink, &text.as_bytes()[from..]);
            return;
        }
        if self.sharp && verb != 'b' {
            keep_zeros(&mut text, verb, precision);
        }
        if !self.plus && text.starts_with('+') {
            self.pad(sink, &text.as_bytes()[1..]);
            return;
        }
        match self.width {
            // The sign goes before the zeros.
            Some(width) if self.zero && !self.minus && width > text.len() => {
                sink.push_str(&text[..1]);
                sink.fill(b'0', width - text.len());
                sink.push_str(&text[1..]);
            }
            _ => self.pad(sink, text.as_bytes()),
        }
    }
}

/// What `#` does to a float with its sign: a point in any case, and the zeros that `%g` would leave out.
fn keep_zeros(text: &mut String, verb: char, precision: Option<usize>) {
    let is_hex = matches!(verb, 'x' | 'X');
    let is_power = |c: char| matches!(c, 'p' | 'P') || (!is_hex && matches!(c, 'e' | 'E'));
    let tail = text.find(is_power).map_or(String::new(), |at| text.split_off(at));
    // Go counts the x of a 0x as a digit, and adds none for a %X.
    let mut digits = if matches!(verb, 'v' | 'g' | 'G' | 'x') { precision.unwrap_or(6) as i64 } else { 0 };
    let plain = text[1..].replace('.', "");
    digits -= plain.trim_start_matches('0').len() as i64;
    if !text.contains('.') {
        digits -= i64::from(&text[1..] == "0");
        text.push('.');
    }
    text.push_str(&"0".repeat(digits.max(0) as usize));
    text.push_str(&tail);
}

fn pad_left(digits: &str, least: usize) -> String {
    format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())))
}

fn to_char(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}
