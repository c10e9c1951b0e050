//! `"%s" % value` and `"{}".format(value)`, as far as chat templates use them: texts, numbers, and how many digits.

use super::exec::Given;
use super::print::float;
use super::value::{Heap, Number, Outcome, Value, fail};

/// Widest field and most digits.
const WIDTH_MAX: usize = 1024;

/// How a value is written: `08.2f` and its like.
#[derive(Debug, Default, Clone, Copy)]
struct Field {
    left: bool,
    /// Texts stand at the left unless told otherwise, numbers at the right.
    texts_left: bool,
    zeros: bool,
    width: usize,
    digits: Option<usize>,
    kind: char,
}

impl Field {
    /// Reads flags, width, digits and kind.
    fn parse(text: &str, left: char) -> Option<Self> {
        let mut field = Self { kind: 's', texts_left: left == '<', ..Self::default() };
        let mut rest = text;
        if let Some(after) = rest.strip_prefix(left) {
            (field.left, rest) = (true, after);
        } else if let Some(after) = rest.strip_prefix('>') {
            (field.texts_left, rest) = (false, after);
        }
        if let Some(after) = rest.strip_prefix('0') {
            (field.zeros, rest) = (true, after);
        }
        let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (width, after) = rest.split_at(number(rest));
        (field.width, rest) = (if width.is_empty() { 0 } else { width.parse().ok()? }, after);
        if let Some(after) = rest.strip_prefix('.') {
            let (digits, after) = after.split_at(number(after));
            (field.digits, rest) = (Some(digits.parse().ok()?), after);
        }
        let mut kinds = rest.chars();
        field.kind = kinds.next().unwrap_or(field.kind);
        let fits = kinds.next().is_none() && field.width <= WIDTH_MAX && field.digits.unwrap_or(0) <= WIDTH_MAX;
        fits.then_some(field)
    }

    fn write(self, heap: &Heap, value: &Value) -> Outcome<String> {
        let text = match (self.kind, value.number()) {
            ('s', Some(Number::Float(number))) if self.digits.is_some() => {
                format!("{number:.0$}", self.digits.unwrap_or(6))
            }
            ('s' | 'r', _) => heap.print(value)?,
            ('d' | 'i', Some(Number::Int(number))) => number.to_string(),
            ('d' | 'i', Some(Number::Float(number))) => float(number.trunc()).trim_end_matches(".0").to_owned(),
            ('f' | 'F', Some(number)) => format!("{:.1$}", number.float(), self.digits.unwrap_or(6)),
            ('x', Some(Number::Int(number))) => format!("{number:x}"),
            (kind, _) => return fail(format!("{} cannot be formatted as {kind:?}", value.kind())),
        };
        let text = match self.digits {
            Some(most) if matches!(value, Value::Str(_)) => text.chars().take(most).collect(),
            _ => text,
        };
        let missing = self.width.saturating_sub(text.chars().count());
        heap.pay(missing)?;
        Ok(if self.left || (self.texts_left && matches!(value, Value::Str(_))) {
            text + &" ".repeat(missing)
        } else if self.zeros {
            let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
            format!("{sign}{}{digits}", "0".repeat(missing))
        } else {
            " ".repeat(missing) + &text
        })
    }
}

impl Heap {
    /// `text % values`.
    pub(super) fn percent_format(&mut self, text: &str, values: &[Value]) -> Outcome<Value> {
        let mut out = String::new();
        let mut values = values.iter();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            self.pay(at)?;
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let end = rest.find(|c: char| c.is_alphabetic() || c == '%');
            let Some(end) = end else { return fail("a format ends too early") };
            let (field, after) = rest.split_at(end + rest[end..].chars().next().map_or(0, char::len_utf8));
            rest = after;
            if field == "%" {
                out.push('%');
                continue;
            }
            let (Some(field), Some(value)) = (Field::parse(field, '-'), values.next()) else {
                return fail("a format does not fit its values");
            };
            out.push_str(&field.write(self, value)?);
        }
        if values.next().is_some() {
            return fail("a format does not fit its values");
        }
        out.push_str(rest);
        self.text(&out)
    }

    /// `text.format(given)`.
    pub(super) fn brace_format(&mut self, text: &str, given: &Given) -> Outcome<Value> {
        let mut out = String::new();
        let (mut rest, mut next) = (text, 0);
        while let Some(at) = rest.find(['{', '}']) {
            self.pay(at)?;
            out.push_str(&rest[..at]);
            let doubled = ["{{", "}}"].iter().find(|doubled| rest[at..].starts_with(**doubled));
            if let Some(doubled) = doubled {
                out.push_str(&doubled[1..]);
                rest = &rest[at + 2..];
                continue;
            }
            let Some((field, after)) = rest[at + 1..].split_once('}').filter(|_| rest[at..].starts_with('{')) else {
                return fail("a format has a single brace");
            };
            rest = after;
            let (name, field) = field.split_once(':').unwrap_or((field, ""));
            let place = match name.parse() {
                Ok(place) => place,
                Err(_) if name.is_empty() => next,
                Err(_) => usize::MAX,
            };
            next += usize::from(name.is_empty());
            let (Some(field), Some(value)) = (Field::parse(field, '<'), given.argument(place, name)) else {
                return fail("a format does not fit its values");
            };
            out.push_str(&field.write(self, value)?);
        }
        out.push_str(rest);
        self.text(&out)
    }
}
