//! `fmt.Sprintf`: goes through a format and hands each operand to the printer, with Go's complaints about what is wrong.

use super::flags::Flags;
use super::print::Printer;
use super::value::Value;

/// Largest width and precision; a larger one does not count.
const SIZE_MAX: i64 = 1_000_000;

/// Where the reading of a format is.
struct Format<'a> {
    text: &'a [u8],
    at: usize,
    values: &'a [Value],
    /// The next operand.
    next: usize,
    /// An index such as `[2]` was met: left-over operands are not told then.
    reordered: bool,
    /// The index of this verb was good, or there was none.
    good_index: bool,
    /// True exactly behind an index.
    after_index: bool,
}

impl Printer<'_> {
    /// `fmt.Sprintf`.
    pub fn format(&mut self, text: &[u8], values: &[Value]) {
        let mut format =
            Format { text, at: 0, values, next: 0, reordered: false, good_index: true, after_index: false };
        while format.at < text.len() && !self.sink.is_full() {
            let rest = &text[format.at..];
            let plain = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            self.sink.push(&rest[..plain]);
            format.at += plain + 1;
            if plain < rest.len() {
                self.verb(&mut format);
            }
        }
        if !format.reordered && format.next < values.len() {
            self.left_over(&values[format.next..]);
        }
    }

    fn left_over(&mut self, values: &[Value]) {
        self.flags = Flags::default();
        self.sink.push_str("%!(EXTRA ");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.sink.push_str(", ");
            }
            if value.is_nothing() {
                self.sink.push_str("<nil>");
            } else {
                self.sink.push_str(&value.type_name());
                self.sink.push_str("=");
                self.value(value, 'v');
            }
        }
        self.sink.push_str(")");
    }

    /// One verb, whose `%` has been taken.
    fn verb(&mut self, format: &mut Format<'_>) {
        self.flags = Flags::default();
        format.good_index = true;
        self.read_flags(format);
        format.after_index = false;
        format.index();
        self.read_width(format);
        self.read_precision(format);
        if !format.after_index {
            format.index();
        }
        let Some(verb) = format.take_char() else {
            self.sink.push_str("%!(NOVERB)");
            return;
        };
        if verb == '%' {
            self.sink.push_str("%");
        } else if !format.good_index {
            self.sink.push_str(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = format.values.get(format.next) {
            if matches!(verb, 'v' | 'w') {
                let Flags { sharp, plus, .. } = self.flags;
                self.flags = Flags { sharp_v: sharp, plus_v: plus, sharp: false, plus: false, ..self.flags };
            }
            format.next += 1;
            self.value(value, verb);
        } else {
            self.sink.push_str(&format!("%!{verb}(MISSING)"));
        }
    }

    fn read_flags(&mut self, format: &mut Format<'_>) {
        while let Some(byte) = format.peek() {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => return,
            }
            format.at += 1;
        }
    }

    fn read_width(&mut self, format: &mut Format<'_>) {
        if format.peek() != Some(b'*') {
            self.flags.width = format.number();
            if format.after_index && self.flags.width.is_some() {
                format.good_index = false;
            }
            return;
        }
        format.at += 1;
        match format.operand_number() {
            Some(width) => {
                self.flags.width = Some(width.unsigned_abs() as usize);
                if width < 0 {
                    (self.flags.minus, self.flags.zero) = (true, false);
                }
            }
            None => self.sink.push_str("%!(BADWIDTH)"),
        }
        format.after_index = false;
    }

    fn read_precision(&mut self, format: &mut Format<'_>) {
        if format.peek() != Some(b'.') || format.at + 1 >= format.text.len() {
            return;
        }
        format.at += 1;
        if format.after_index {
            format.good_index = false;
        }
        format.index();
        if format.peek() != Some(b'*') {
            self.flags.precision = Some(format.number().unwrap_or(0));
            return;
        }
        format.at += 1;
        self.flags.precision = format.operand_number().and_then(|precision| usize::try_from(precision).ok());
        if self.flags.precision.is_none() {
            self.sink.push_str("%!(BADPREC)");
        }
        format.after_index = false;
    }
}

impl Format<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take_char(&mut self) -> Option<char> {
        let rest = self.text.get(self.at..)?;
        let rune = super::runes::runes(rest).next()?;
        self.at += rune.len();
        Some(match rune {
            super::runes::Rune::Char(c) => c,
            super::runes::Rune::Stray(_) => char::REPLACEMENT_CHARACTER,
        })
    }

    /// Digits. One beyond [`SIZE_MAX`] spoils the rest of the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let before = number.unwrap_or(0);
            if before > SIZE_MAX {
                self.at = self.text.len();
                return None;
            }
            number = Some(before * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.map(|number| number as usize)
    }

    /// The operand of a `*`.
    fn operand_number(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let number = match value {
            Value::Int(number) => *number,
            Value::Byte(byte) => i64::from(*byte),
            _ => return None,
        };
        Some(number).filter(|number| number.unsigned_abs() <= SIZE_MAX as u64)
    }

    /// `[n]`: the operand that is next.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.text[self.at..];
        let close = rest.iter().position(|byte| *byte == b']').filter(|_| rest.len() >= 3);
        let digits = close.map(|close| &rest[1..close]);
        self.at += close.map_or(1, |close| close + 1);
        let is_number = digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        let number = digits.filter(|digits| is_number && digits.len() <= 7);
        let number: Option<i64> = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        match number {
            Some(number) if number >= 1 && number as usize <= self.values.len() => {
                self.next = number as usize - 1;
                self.after_index = true;
            }
            // Go calls a well-formed index found even when there is no such operand.
            Some(_) => (self.good_index, self.after_index) = (false, true),
            None => self.good_index = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Sink;
    use super::*;

    fn sprintf(format: &str, values: &[Value]) -> String {
        let mut sink = Sink::new();
        Printer::new(&mut sink).format(format.as_bytes(), values);
        String::from_utf8(sink.into_bytes()).unwrap()
    }

    #[test]
    fn as_go_prints_it() {
        let int = Value::Int;
        let text = Value::text;
        for (format, values, want) in [
            (
                "%d|%5d|%-5d|%05d|%+d|% d",
                vec![int(7), int(7), int(7), int(-7), int(7), int(7)],
                "7|    7|7    |-0007|+7| 7",
            ),
            (
                "%x %X %#x %b %o %#o %O",
                vec![int(255), int(255), int(255), int(5), int(8), int(8), int(8)],
                "ff FF 0xff 101 10 010 0o10",
            ),
            ("%.3d|%8.3d|%08.3d|%.0d", vec![int(7), int(-7), int(7), int(0)], "007|    -007|     007|"),
            ("%c %q %U %#U", vec![int(0x4e16), int(0x4e16), int(0x4e16), int(0x4e16)], "世 '世' U+4E16 U+4E16 '世'"),
            (
                "%s|%5s|%-5s|%.2s|%q|%x|% X|%#q",
                vec![text("héé"), text("é"), text("é"), text("héé"), text("a\"\n"), text("hé"), text("hé"), text("a`")],
                "héé|    é|é    |hé|\"a\\\"\\n\"|68c3a9|68 C3 A9|\"a`\"",
            ),
            (
                "%v %6.2f %e %g %08.3f|%+.1f",
                vec![
                    Value::Float(1e6),
                    Value::Float(2.14159),
                    Value::Float(1234.5),
                    Value::Float(1e-7),
                    Value::Float(-3.5),
                    Value::Float(2.25),
                ],
                "1e+06   2.14 1.234500e+03 1e-07 -003.500|+2.2",
            ),
            (
                "%#v %#v %+v %T %T",
                vec![text("x"), int(3), int(3), Value::Float(1.5), Value::Nil],
                "\"x\" 3 3 float64 <nil>",
            ),
            ("%t %v %d", vec![Value::Bool(true), Value::Bool(false), Value::Bool(true)], "true false %!d(bool=true)"),
            ("%d %s %z", vec![text("hi"), int(5), int(5)], "%!d(string=hi) %!s(int=5) %!z(int=5)"),
            ("%d", vec![], "%!d(MISSING)"),
            ("%d", vec![int(1), text("x"), Value::Nil], "1%!(EXTRA string=x, <nil>)"),
            ("%", vec![], "%!(NOVERB)"),
            ("100%% %5%", vec![], "100% %"),
            ("%[2]d %[1]d %[3]d %[x]d", vec![int(1), int(2)], "2 1 %!d(BADINDEX) %!d(BADINDEX)"),
            (
                "%*d|%-*d|%.*f|%*d",
                vec![int(4), int(1), int(4), int(1), int(1), Value::Float(2.55), text("a"), int(9)],
                "   1|1   |2.5|%!(BADWIDTH)9",
            ),
            ("%v %s %d", vec![Value::Nil, Value::Nil, Value::Nil], "<nil> %!s(<nil>) %!d(<nil>)"),
            ("%v %.1f", vec![Value::Complex(1.0, -2.5), Value::Complex(1.0, 2.0)], "(1-2.5i) (1.0+2.0i)"),
            ("%w", vec![text("x")], "%!w(string=x)"),
            ("%99999999d|", vec![int(1)], "%!(NOVERB)%!(EXTRA int=1)"),
        ] {
            assert_eq!(sprintf(format, &values), want, "{format}");
        }
    }
}
