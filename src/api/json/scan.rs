//! Finds the end of the first JSON value in a body, and says what is wrong with a broken one in the words that
//! Go's `encoding/json` uses (clients show them to people).
//!
//! The grammar is RFC 8259. Go's decoder reads one value and leaves the rest alone, so the scan stops at the end of
//! it. On the way it repairs the one thing that Go allows and a strict parser does not: `\u` escapes that are half of
//! a surrogate pair become `\ufffd` (RFC 8259 section 8.2 leaves their meaning open; Go replaces them).

use std::ops::Range;

use super::JsonError;
use crate::config::limits::{JSON_DEPTH_MAX, JSON_VALUES_MAX};

// The open brackets are the bits of one u128.
const _: () = assert!(JSON_DEPTH_MAX <= 128);

const ANY_VALUE: &str = "looking for beginning of value";
const KEY: &str = "looking for beginning of object key string";
const COLON: &str = "after object key";
const NEXT_PAIR: &str = "after object key:value pair";
const NEXT_ELEMENT: &str = "after array element";
const IN_STRING: &str = "in string literal";
const IN_ESCAPE: &str = "in string escape code";
const IN_HEX: &str = "in \\u hexadecimal character escape";
const IN_NUMBER: &str = "in numeric literal";
const IN_FRACTION: &str = "after decimal point in numeric literal";
const IN_EXPONENT: &str = "in exponent of numeric literal";

/// Where the first value of `body` lies. Its grammar is checked, but not whether its strings are UTF-8.
///
/// # Errors
/// When there is nothing but blanks, or the value is cut short, broken or nested too deep.
pub(super) fn first_value(body: &mut [u8]) -> Result<Range<usize>, JsonError> {
    let mut scanner = Scanner { body, at: 0, open: Brackets::default(), values: 0 };
    if scanner.peek().is_none() {
        return Err(JsonError::Missing);
    }
    let start = scanner.at;
    loop {
        if scanner.begin_value()? && scanner.end_value()? {
            return Ok(start..scanner.at);
        }
    }
}

/// Brackets that are open: one bit each, 1 for `{`, the innermost lowest.
#[derive(Default)]
struct Brackets {
    bits: u128,
    depth: usize,
}

impl Brackets {
    fn push(&mut self, object: bool) -> Result<(), JsonError> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.bits = self.bits << 1 | u128::from(object);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
    }

    fn in_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

struct Scanner<'b> {
    body: &'b mut [u8],
    at: usize,
    open: Brackets,
    /// Values and keys so far.
    values: usize,
}

impl Scanner<'_> {
    /// Reads a scalar whole, or an opening bracket and the first key behind it.
    /// False when another value must begin here, true when the brackets and commas behind a value come next.
    fn begin_value(&mut self) -> Result<bool, JsonError> {
        self.count()?;
        match self.need()? {
            b'{' => {
                self.open.push(true)?;
                self.at += 1;
                if self.need()? == b'}' {
                    return Ok(true);
                }
                self.key()?;
                Ok(false)
            }
            b'[' => {
                self.open.push(false)?;
                self.at += 1;
                Ok(self.need()? == b']')
            }
            b'"' => self.string().map(|()| true),
            b'-' | b'0'..=b'9' => self.number().map(|()| true),
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| true),
            b'n' => self.literal("null").map(|()| true),
            found => Err(unexpected(found, ANY_VALUE)),
        }
    }

    /// Closes the brackets that end behind a value. True when the outermost has, false when another value follows.
    fn end_value(&mut self) -> Result<bool, JsonError> {
        while self.open.depth > 0 {
            let found = self.need()?;
            self.at += 1;
            match (self.open.in_object(), found) {
                (true, b'}') | (false, b']') => self.open.pop(),
                (true, b',') => {
                    self.key()?;
                    return Ok(false);
                }
                (false, b',') => return Ok(false),
                (true, _) => return Err(unexpected(found, NEXT_PAIR)),
                (false, _) => return Err(unexpected(found, NEXT_ELEMENT)),
            }
        }
        Ok(true)
    }

    fn count(&mut self) -> Result<(), JsonError> {
        self.values += 1;
        if self.values > JSON_VALUES_MAX { Err(JsonError::TooMany) } else { Ok(()) }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        self.count()?;
        match self.need()? {
            b'"' => self.string()?,
            found => return Err(unexpected(found, KEY)),
        }
        match self.need()? {
            b':' => self.at += 1,
            found => return Err(unexpected(found, COLON)),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.at += plain_bytes(self.body.get(self.at..).unwrap_or_default());
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                found => return Err(unexpected(found, IN_STRING)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let from = self.at + 1;
                match self.hex()? {
                    // A low half must follow at once, else the high half stands alone, as any low half here does.
                    0xd800..=0xdbff if self.low_half_follows() => {
                        self.at += 1;
                        self.hex()?;
                    }
                    // `hex` has just read these four bytes.
                    0xd800..=0xdfff => self.body[from..from + 4].copy_from_slice(b"fffd"),
                    _ => {}
                }
            }
            found => return Err(unexpected(found, IN_ESCAPE)),
        }
        Ok(())
    }

    /// The four digits behind a `u`, which `at` stands on.
    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            self.at += 1;
            let found = self.byte()?;
            let digit = char::from(found).to_digit(16).ok_or_else(|| unexpected(found, IN_HEX))?;
            code = code << 4 | digit;
        }
        self.at += 1;
        Ok(code)
    }

    fn low_half_follows(&self) -> bool {
        // \uDC00 to \uDFFF, that is a `d` and one of c to f, then two digits.
        matches!(
            self.body.get(self.at..self.at + 6),
            Some([b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', third, fourth])
                if third.is_ascii_hexdigit() && fourth.is_ascii_hexdigit()
        )
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        match self.byte()? {
            b'0' => self.at += 1,
            _ => self.digits(IN_NUMBER)?,
        }
        if self.here() == Some(b'.') {
            self.at += 1;
            self.digits(IN_FRACTION)?;
        }
        if matches!(self.here(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.here(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(IN_EXPONENT)?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self, place: &'static str) -> Result<(), JsonError> {
        let first = self.byte()?;
        if !first.is_ascii_digit() {
            return Err(unexpected(first, place));
        }
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        for wanted in word.bytes() {
            let found = self.byte()?;
            if found != wanted {
                let place = format!("in literal {word} (expecting '{}')", char::from(wanted));
                return Err(JsonError::Character { found: quoted(found), place: place.into() });
            }
            self.at += 1;
        }
        Ok(())
    }

    /// The next byte that is no blank, which `at` then stands on.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.here(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.here()
    }

    fn need(&mut self) -> Result<u8, JsonError> {
        self.peek().ok_or(JsonError::UnexpectedEnd)
    }

    fn byte(&self) -> Result<u8, JsonError> {
        self.here().ok_or(JsonError::UnexpectedEnd)
    }

    fn here(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }
}

/// How many bytes at the front of `text` stand for themselves in a string. Eight at a time, because a body with images
/// is megabytes of one string.
fn plain_bytes(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Nonzero when some byte of `word` is below `bound` (at most 0x80); it may miss none, which is all we need.
    let has_below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let mut plain = 0;
    let (words, _) = text.as_chunks::<8>();
    for word in words {
        let word = u64::from_ne_bytes(*word);
        let quote = has_below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = has_below(word ^ (ONES * u64::from(b'\\')), 1);
        if has_below(word, 0x20) | quote | backslash != 0 {
            break;
        }
        plain += 8;
    }
    let tail = &text[plain..];
    plain + tail.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').unwrap_or(tail.len())
}

fn unexpected(found: u8, place: &'static str) -> JsonError {
    JsonError::Character { found: quoted(found), place: place.into() }
}

/// The byte in single quotes, as Go prints it: a byte above 0x7f counts as the code point of that number.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => r#"'"'"#.to_owned(),
        _ => {
            let quoted = super::quote(char::from(byte).encode_utf8(&mut [0; 4]));
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_where_the_first_value_ends() {
        for (body, value) in [
            ("{}", "{}"),
            (" \r\n\t{\"a\" : [1, 2,{}] }x", "{\"a\" : [1, 2,{}] }"),
            ("{}{bad", "{}"),
            ("[[],[[]]]]", "[[],[[]]]"),
            ("01", "0"),
            ("-1.5e+3,", "-1.5e+3"),
            ("nullx", "null"),
            ("\"a\\\"b\"c", "\"a\\\"b\""),
            ("{\"k\":\"\\u00e9\\n\"}}", "{\"k\":\"\\u00e9\\n\"}"),
        ] {
            let mut bytes = body.as_bytes().to_vec();
            let range = first_value(&mut bytes).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(&body[range], value);
        }
    }

    #[test]
    fn broken_bodies_get_the_words_of_go() {
        for (body, want) in [
            ("", "missing request body"),
            (" \n", "missing request body"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("{\"a\":1", "unexpected EOF"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("{\"a\":01}", "invalid character '1' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("[1}", "invalid character '}' after array element"),
            ("xml", "invalid character 'x' looking for beginning of value"),
            ("'a'", "invalid character '\\'' looking for beginning of value"),
            ("\u{7f}", "invalid character '\\x7f' looking for beginning of value"),
            ("\u{e9}", "invalid character 'Ã' looking for beginning of value"),
            ("\\", "invalid character '\\\\' looking for beginning of value"),
            ("tru", "unexpected EOF"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"0123456789\u{1}\"", "invalid character '\\x01' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("\"\\u12", "unexpected EOF"),
            ("\"abc", "unexpected EOF"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("1.", "unexpected EOF"),
        ] {
            let error = first_value(&mut body.as_bytes().to_vec()).expect_err(body);
            assert_eq!(error.to_string(), want, "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(first_value(&mut nested(JSON_DEPTH_MAX)), Ok(0..2 * JSON_DEPTH_MAX));
        assert_eq!(first_value(&mut nested(JSON_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
    }

    #[test]
    fn values_and_keys_are_counted() {
        // The object, its key, the array, and then the elements.
        let list = |elements: usize| format!("{{\"x\":[{}0]}}", "0,".repeat(elements - 1)).into_bytes();
        assert!(first_value(&mut list(JSON_VALUES_MAX - 3)).is_ok());
        assert_eq!(first_value(&mut list(JSON_VALUES_MAX - 2)), Err(JsonError::TooMany));
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        for (body, want) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D\uDE00""#, r#""\uD83D\uDE00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00x""#, r#""\ufffdx""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
        ] {
            let mut bytes = body.as_bytes().to_vec();
            first_value(&mut bytes).expect(body);
            assert_eq!(String::from_utf8(bytes).as_deref(), Ok(want));
        }
    }

    #[test]
    fn plain_bytes_agrees_with_one_byte_at_a_time() {
        for special in [b'"', b'\\', 0x00, 0x1f] {
            for at in 0..40 {
                let mut text = vec![b'a', 0x20, 0x80, 0xff, 0x7f, b'#', b'!', b'[', b']', 0xa2];
                text.resize(40, b'x');
                text.insert(at, special);
                assert_eq!(plain_bytes(&text), at);
            }
        }
        assert_eq!(plain_bytes(&[0xff; 17]), 17);
    }
}
