//! Text into the inside of a JSON string, byte for byte as Go's `encoding/json` writes it.
//!
//! Clients compare our streams with Ollama's, and Ollama is Go: its encoder escapes `<`, `>` and `&` (safe inside HTML)
//! and U+2028 and U+2029 (line ends to JavaScript) besides what RFC 8259 section 7 demands.

/// Longest escape sequence, `\u0000`, for one byte of text.
pub const GROWTH_MAX: usize = 6;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that end a run of plain text: those that are escaped, and 0xe2, with which U+2028 and U+2029 begin.
const STOPS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    let mut index = 0;
    let others = b"\"\\<>&\xe2";
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
};

/// Hands `text`, escaped and without quotes, to `put` in pieces. Every byte grows to at most [`GROWTH_MAX`].
#[inline]
pub fn escape(text: &str, mut put: impl FnMut(&[u8])) {
    let bytes = text.as_bytes();
    let mut done = 0; // bytes that are handed out
    let mut at = 0; // end of the plain run after them
    while let Some(run) = plain_run(&bytes[at..]) {
        at += run;
        // A stop is a whole character, or the first of the three bytes of one that begins with 0xe2.
        let (sequence, length) = sequence(&bytes[at..]);
        if let Some(sequence) = sequence {
            put(&bytes[done..at]);
            put(sequence.bytes());
            done = at + length;
        }
        at += length;
    }
    put(&bytes[done..]);
}

/// Length of the plain text in front of the first stop, or `None` when there is no stop.
#[inline]
fn plain_run(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for word in bytes.chunks_exact(8) {
        if word_has_stop(u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]])) {
            break;
        }
        at += 8;
    }
    bytes[at..].iter().position(|&byte| STOPS[byte as usize]).map(|offset| at + offset)
}

/// Whether one of eight bytes may be a stop: exact but for bytes from 0x80 up, which all count.
#[inline]
fn word_has_stop(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // For bytes below 0x80: the high bit of `b - n` is set when b < n. Borrows only arise where one was found.
    let below = |n: u64| word.wrapping_sub(ONES * n);
    let is = |byte: u8| (word ^ (ONES * byte as u64)).wrapping_sub(ONES);
    (word | below(0x20) | is(b'"') | is(b'\\') | is(b'<') | is(b'>') | is(b'&')) & HIGH != 0
}

/// An escape sequence.
struct Sequence {
    memory: [u8; GROWTH_MAX],
    len: usize,
}

impl Sequence {
    fn short(letter: u8) -> Self {
        Self { memory: [b'\\', letter, 0, 0, 0, 0], len: 2 }
    }

    fn unicode(code: u16) -> Self {
        let digit = |shift: u16| HEX[(code >> shift & 15) as usize];
        Self { memory: [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)], len: GROWTH_MAX }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

/// What to write for the character that begins with a stop (`None`: itself), and its length in bytes.
fn sequence(rest: &[u8]) -> (Option<Sequence>, usize) {
    let sequence = match *rest {
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => return (Some(Sequence::unicode(0x2000 | (last as u16 - 0x80))), 3),
        [0xe2, ..] => return (None, 3.min(rest.len())),
        [byte @ (b'"' | b'\\'), ..] => Sequence::short(byte),
        [0x08, ..] => Sequence::short(b'b'),
        [0x0c, ..] => Sequence::short(b'f'),
        [b'\n', ..] => Sequence::short(b'n'),
        [b'\r', ..] => Sequence::short(b'r'),
        [b'\t', ..] => Sequence::short(b't'),
        [byte, ..] => Sequence::unicode(byte as u16),
        [] => return (None, 0),
    };
    (Some(sequence), 1)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, |bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    /// One character at a time, by the rules as they are written down.
    fn naive(text: &str) -> String {
        let mut out = String::new();
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    write!(out, "\\u{:04x}", character as u32).unwrap();
                }
                other => out.push(other),
            }
        }
        out
    }

    #[test]
    fn known_texts() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("a\"b\\c/d", r#"a\"b\\c/d"#),
            ("<a href='x'>&amp;</a>", r"\u003ca href='x'\u003e\u0026amp;\u003c/a\u003e"),
            ("\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}", "\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}"),
            ("\u{2027}\u{2028}\u{2029}\u{202a}", "\u{2027}\\u2028\\u2029\u{202a}"),
            ("こんにちは🌸", "こんにちは🌸"),
        ];
        for (text, expected) in table {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }

    /// Every ASCII character at every place of two words, so that each lane of the fast path is met.
    #[test]
    fn every_byte_in_every_lane() {
        for code in 0..0x80_u8 {
            for place in 0..16 {
                let mut text = vec![b'x'; 17];
                text[place] = code;
                let text = String::from_utf8(text).unwrap();
                assert_eq!(escaped(&text), naive(&text), "{code:#x} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn like_the_naive_one(text in "[a-z\"\\\\<>&\\x00-\\x20\u{2020}-\u{2030}\u{e9}\u{1f338}]{0,80}") {
            let out = escaped(&text);
            prop_assert_eq!(&out, &naive(&text));
            prop_assert!(out.len() <= text.len() * GROWTH_MAX);
        }
    }
}
