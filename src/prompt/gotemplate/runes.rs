//! Texts rune by rune, as Go goes through them: a byte that is no UTF-8 counts as one rune. And Go's quotes.

use std::fmt::Write;

/// A character, or a byte that belongs to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rune {
    /// A character.
    Char(char),
    /// A byte that is no UTF-8.
    Stray(u8),
}

impl Rune {
    /// Bytes that it takes.
    pub fn len(self) -> usize {
        match self {
            Self::Char(c) => c.len_utf8(),
            Self::Stray(_) => 1,
        }
    }
}

/// The runes of a text.
pub(super) fn runes(text: &[u8]) -> impl Iterator<Item = Rune> {
    text.utf8_chunks().flat_map(|chunk| {
        chunk.valid().chars().map(Rune::Char).chain(chunk.invalid().iter().map(|byte| Rune::Stray(*byte)))
    })
}

/// A text as UTF-8: each stray byte becomes U+FFFD, as in Go's JSON.
pub(super) fn to_utf8(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| {
        let chars = runes(error.as_bytes()).map(|rune| match rune {
            Rune::Char(c) => c,
            Rune::Stray(_) => char::REPLACEMENT_CHARACTER,
        });
        chars.collect()
    })
}

/// Whether Go's `unicode.IsPrint` holds: Rust's `Debug` escapes the same classes, but for marks at the beginning.
pub(super) fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ if c.is_ascii() => false,
        _ => {
            let mut bytes = [b'a'; 5];
            let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
            std::str::from_utf8(&bytes[..length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
        }
    }
}

/// `text` between quotes, escaped as `strconv.Quote` does; `ascii`: everything beyond ASCII too.
pub(super) fn quote(text: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for rune in runes(text) {
        match rune {
            Rune::Char(c) => escape(&mut out, c, '"', ascii),
            Rune::Stray(byte) => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// A character between single quotes, as `strconv.QuoteRune` does.
pub(super) fn quote_char(c: char, ascii: bool) -> String {
    let mut out = String::from('\'');
    escape(&mut out, c, '\'', ascii);
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    // Writing to a String does not fail.
    match c {
        _ if c == quote || c == '\\' => out.extend(['\\', c]),
        _ if is_print(c) && (!ascii || c.is_ascii()) => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..=' ' | '\x7f' => drop(write!(out, "\\x{:02x}", u32::from(c))),
        '\0'..='\u{ffff}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
        _ => drop(write!(out, "\\U{:08x}", u32::from(c))),
    }
}

/// Whether `text` may stand between backquotes: one line, valid, no control characters but tabs.
pub(super) fn fits_backquotes(text: &[u8]) -> bool {
    runes(text).all(|rune| match rune {
        Rune::Char(c) => c == '\t' || (c >= ' ' && !matches!(c, '`' | '\x7f' | '\u{feff}')),
        Rune::Stray(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (text, want, ascii) in [
            ("a\"b\\", r#""a\"b\\""#, r#""a\"b\\""#),
            ("é\n\u{1}\u{7f}", r#""é\n\x01\x7f""#, r#""\u00e9\n\x01\x7f""#),
            (
                "e\u{301}\u{a0}\u{1f999}\u{10ffff}",
                "\"e\u{301}\\u00a0\u{1f999}\\U0010ffff\"",
                r#""e\u0301\u00a0\U0001f999\U0010ffff""#,
            ),
        ] {
            assert_eq!(quote(text.as_bytes(), false), want);
            assert_eq!(quote(text.as_bytes(), true), ascii);
        }
        assert_eq!(quote(b"\xff\xe2\x82", false), r#""\xff\xe2\x82""#);
        assert_eq!(quote_char('\'', false), r"'\''");
        assert_eq!(to_utf8(b"a\xe2\x82b".to_vec()), "a\u{fffd}\u{fffd}b");
    }
}
