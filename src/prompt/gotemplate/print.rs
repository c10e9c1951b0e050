//! Values as Go's `fmt` prints them: `Sprint` and `Sprintln`, and each operand of `Sprintf` by its verb.

use super::budget::Sink;
use super::flags::Flags;
use super::json;
use super::value::{List, Record, Stringer, Value};

/// A pointer's address has no meaning outside its process, and would tell a stranger about ours: all print as this.
const ADDRESS: u64 = 0x00c0_0000_0000;

/// Prints one value after the other into a sink.
pub(super) struct Printer<'s> {
    pub sink: &'s mut Sink,
    pub flags: Flags,
    /// True exactly while a value is shown inside `%!verb(…)`, where `String` methods are not asked.
    erroring: bool,
}

impl<'s> Printer<'s> {
    pub fn new(sink: &'s mut Sink) -> Self {
        Self { sink, flags: Flags::default(), erroring: false }
    }

    /// `fmt.Sprint`: spaces between operands of which neither is a text.
    pub fn all(&mut self, values: &[Value]) {
        let mut text_before = true;
        for value in values {
            let is_text = matches!(value, Value::Text(_));
            if !is_text && !text_before {
                self.sink.push_str(" ");
            }
            self.value(value, 'v');
            text_before = is_text;
        }
    }

    /// `fmt.Sprintln`.
    pub fn line(&mut self, values: &[Value]) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.sink.push_str(" ");
            }
            self.value(value, 'v');
        }
        self.sink.push_str("\n");
    }

    /// An operand.
    pub fn value(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Invalid | Value::Nil, 'T' | 'v') => self.flags.pad(self.sink, b"<nil>"),
            (Value::Invalid | Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.flags.string(self.sink, value.type_name().as_bytes()),
            (_, 'p') => self.pointer(value, verb),
            _ => {
                if !self.by_method(value, verb) {
                    self.inner(value, verb, 0);
                }
            }
        }
    }

    /// `%!verb(type=value)`.
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.sink.push_str(&format!("%!{verb}("));
        if value.is_nothing() {
            self.sink.push_str("<nil>");
        } else {
            self.sink.push_str(&format!("{}=", value.type_name()));
            let outer = std::mem::replace(&mut self.erroring, true);
            self.inner(value, 'v', 0);
            self.erroring = outer;
        }
        self.sink.push_str(")");
    }

    /// Whether the value's `String` method printed it, or `%w` complained.
    fn by_method(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            self.bad_verb(value, verb);
            return true;
        }
        if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        let Some(stringer) = value.stringer() else { return false };
        match stringer {
            // The common case needs no copy.
            Stringer::Json if matches!(verb, 'v' | 's') && self.flags == Flags::default() => {
                json::write(self.sink, value);
            }
            Stringer::Json => {
                let text = self.sink.aside(|sink| json::write(sink, value));
                self.text(value, &text, verb);
            }
            Stringer::Braces => self.text(value, b"{}", verb),
            Stringer::Words(list) => {
                let text = self.sink.aside(|sink| write_words(sink, list));
                self.text(value, &text, verb);
            }
        }
        true
    }

    fn text(&mut self, value: &Value, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.flags.quoted(self.sink, text),
            'v' | 's' => self.flags.string(self.sink, text),
            'x' => self.flags.hex(self.sink, text, false),
            'X' => self.flags.hex(self.sink, text, true),
            'q' => self.flags.quoted(self.sink, text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn inner(&mut self, value: &Value, verb: char, depth: usize) {
        if self.sink.is_full() || (depth > 0 && !value.is_nothing() && self.by_method(value, verb)) {
            return;
        }
        match value {
            Value::Invalid | Value::Nil if self.flags.sharp_v => self.sink.push_str("interface {}(nil)"),
            Value::Invalid | Value::Nil => self.sink.push_str("<nil>"),
            Value::Bool(truth) if matches!(verb, 't' | 'v') => {
                self.flags.pad(self.sink, if *truth { b"true" } else { b"false" });
            }
            Value::Bool(_) => self.bad_verb(value, verb),
            Value::Int(number) => self.integer(value, *number < 0, number.unsigned_abs(), verb),
            Value::Byte(byte) => self.byte(value, *byte, verb),
            Value::Float(number) => self.float(value, *number, verb),
            Value::Complex(real, imaginary) => self.complex(value, *real, *imaginary, verb),
            Value::Text(text) => self.text(value, text, verb),
            Value::Image(image) if matches!(verb, 's' | 'x' | 'X' | 'q') => self.text(value, image.bytes(), verb),
            Value::Image(image) => {
                let bytes = image.bytes().clone();
                self.list(value, bytes.iter().map(|byte| Value::Byte(*byte)), verb, depth);
            }
            Value::List(list) => self.list(value, list.as_slice().iter().cloned(), verb, depth),
            Value::Map(map) => {
                self.open(value, "map[", map.entries.is_none());
                if !self.flags.sharp_v || map.entries.is_some() {
                    for (at, (key, element)) in map.iter().enumerate() {
                        self.separate(at);
                        self.inner(&Value::Text(key.clone()), verb, depth + 1);
                        self.sink.push_str(":");
                        self.inner(element, verb, depth + 1);
                    }
                    self.close("]");
                }
            }
            Value::Record(record) => self.record(record, verb, depth),
            Value::Pointer(record) if depth == 0 => {
                self.sink.push_str("&");
                self.record(record, verb, depth + 1);
            }
            Value::Pointer(_) | Value::Properties(_) => self.pointer(value, verb),
        }
    }

    /// What stands before elements; of a nil value in Go syntax it is everything.
    fn open(&mut self, value: &Value, plain: &str, is_nil: bool) {
        if !self.flags.sharp_v {
            self.sink.push_str(plain);
            return;
        }
        self.sink.push_str(&value.type_name());
        self.sink.push_str(if is_nil { "(nil)" } else { "{" });
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.sink.push_str(if self.flags.sharp_v { ", " } else { " " });
        }
    }

    fn close(&mut self, plain: &str) {
        self.sink.push_str(if self.flags.sharp_v { "}" } else { plain });
    }

    fn list(&mut self, value: &Value, elements: impl Iterator<Item = Value>, verb: char, depth: usize) {
        self.open(value, "[", value.is_nil());
        if self.flags.sharp_v && value.is_nil() {
            return;
        }
        for (at, element) in elements.enumerate() {
            if self.sink.is_full() {
                return;
            }
            self.separate(at);
            self.inner(&element, verb, depth + 1);
        }
        self.close("]");
    }

    fn record(&mut self, record: &Record, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.sink.push_str(record.kind.go);
        }
        self.sink.push_str("{");
        for (at, (field, value)) in record.kind.fields.iter().zip(&record.fields).enumerate() {
            self.separate(at);
            if self.flags.plus_v || self.flags.sharp_v {
                self.sink.push_str(field.go);
                self.sink.push_str(":");
            }
            self.inner(value, verb, depth + 1);
        }
        self.sink.push_str("}");
    }

    fn integer(&mut self, value: &Value, negative: bool, size: u64, verb: char) {
        let code = if negative { size.wrapping_neg() } else { size };
        match verb {
            'v' | 'd' => self.flags.integer(self.sink, negative, size, 'd'),
            'b' | 'o' | 'O' | 'x' | 'X' => self.flags.integer(self.sink, negative, size, verb),
            'c' => self.flags.character(self.sink, code),
            'q' => self.flags.quoted_character(self.sink, code),
            'U' => self.flags.unicode(self.sink, code),
            _ => self.bad_verb(value, verb),
        }
    }

    fn byte(&mut self, value: &Value, byte: u8, verb: char) {
        if verb == 'v' && self.flags.sharp_v {
            Flags { sharp: true, ..self.flags }.integer(self.sink, false, byte.into(), 'x');
        } else {
            self.integer(value, false, byte.into(), verb);
        }
    }

    fn float(&mut self, value: &Value, number: f64, verb: char) {
        match verb {
            'v' | 'g' | 'G' | 'b' | 'x' | 'X' => self.flags.float(self.sink, number, verb, None),
            'e' | 'E' | 'f' => self.flags.float(self.sink, number, verb, Some(6)),
            'F' => self.flags.float(self.sink, number, 'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn complex(&mut self, value: &Value, real: f64, imaginary: f64, verb: char) {
        if !matches!(verb, 'v' | 'b' | 'x' | 'X' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F') {
            self.bad_verb(value, verb);
            return;
        }
        self.sink.push_str("(");
        self.float(value, real, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(value, imaginary, verb);
        self.flags.plus = plus;
        self.sink.push_str("i)");
    }

    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::Map(_) | Value::List(_) | Value::Image(_) | Value::Pointer(_) | Value::Properties(_) => {
                if value.is_nil() { 0 } else { ADDRESS }
            }
            _ => return self.bad_verb(value, verb),
        };
        let hex = |sharp: bool| Flags { sharp, ..self.flags };
        match verb {
            'v' if self.flags.sharp_v => {
                let address = if address == 0 { "nil".to_owned() } else { format!("{address:#x}") };
                self.sink.push_str(&format!("({})({address})", value.type_name()));
            }
            'v' if address == 0 => self.flags.pad(self.sink, b"<nil>"),
            'v' | 'p' => hex(!self.flags.sharp).integer(self.sink, false, address, 'x'),
            'b' | 'o' | 'd' | 'x' | 'X' => self.flags.integer(self.sink, false, address, verb),
            _ => self.bad_verb(value, verb),
        }
    }
}

/// The types of a property: one alone as it is, several in brackets.
pub(super) fn write_words(sink: &mut Sink, list: &List) {
    match list.as_slice() {
        [] => {}
        [Value::Text(word)] => sink.push(word),
        words => {
            let mut printer = Printer::new(sink);
            printer.sink.push_str("[");
            for (at, word) in words.iter().enumerate() {
                printer.separate(at);
                printer.inner(word, 'v', 1);
            }
            printer.sink.push_str("]");
        }
    }
}
