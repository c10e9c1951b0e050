//! Text into the inside of a JSON string, byte for byte as Go's `encoding/json` writes it.
//!
//! Clients compare our streams with Ollama's, and Ollama is Go: its encoder escapes `<`, `>` and `&` (safe inside HTML)
//! and U+2028 and U+2029 (line ends to JavaScript) besides what RFC 8259 section 7 demands.

/// Most bytes that one byte of text can become: a control character turns into `\u00xx`.
pub const GROWTH_MAX: usize = 6;

/// Copied as it is.
const PLAIN: u8 = 0;
/// Becomes `\u00xx`.
const HEX: u8 = 1;
/// First byte of U+2028 and U+2029, and of other characters that are copied.
const E2: u8 = 2;
// Every other class is the letter behind the backslash.

/// What becomes of each byte.
const CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    let mut control = 0;
    while control < 0x20 {
        class[control] = HEX;
        control += 1;
    }
    class[b'<' as usize] = HEX;
    class[b'>' as usize] = HEX;
    class[b'&' as usize] = HEX;
    class[0x08] = b'b';
    class[0x0c] = b'f';
    class[b'\n' as usize] = b'n';
    class[b'\r' as usize] = b'r';
    class[b'\t' as usize] = b't';
    class[b'"' as usize] = b'"';
    class[b'\\' as usize] = b'\\';
    class[0xe2] = E2;
    class
};

/// Writes `text`, escaped and without quotes, to the front of `out`; gives the number of bytes written.
///
/// `None`: it does not fit, and the front of `out` holds some beginning of it. [`GROWTH_MAX`] times the length of
/// `text` is always enough. Escapes never split: what is written is valid UTF-8.
pub fn escape_into(text: &str, out: &mut [u8]) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        // Most text needs nothing: copy up to the next byte that does.
        let run = rest.iter().position(|&byte| CLASS[byte as usize] != PLAIN).unwrap_or(rest.len());
        let (plain, rest) = rest.split_at(run);
        written = put(out, written, plain)?;
        let Some(&special) = rest.first() else { break };
        let taken = match CLASS[special as usize] {
            HEX => {
                written = put(out, written, &hex_escape(special))?;
                1
            }
            E2 => {
                let (bytes, taken) = separator_or_character(rest);
                written = put(out, written, bytes)?;
                taken
            }
            letter => {
                written = put(out, written, &[b'\\', letter])?;
                1
            }
        };
        at += run + taken;
    }
    Some(written)
}

/// Copies `bytes` to `out[at..]`; gives the place behind them, `None` if they do not fit.
fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    out.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// `\u00xx`, in the lower-case digits that Go uses.
fn hex_escape(byte: u8) -> [u8; 6] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [b'\\', b'u', b'0', b'0', DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}

/// What to write for the character at the front of `rest`, which begins with 0xE2, and how long that character is.
fn separator_or_character(rest: &[u8]) -> (&[u8], usize) {
    match rest {
        [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
        [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
        // UTF-8: 0xE2 leads three bytes, so the other two are there and need no look.
        _ => (rest.get(..3).unwrap_or(rest), 3),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    /// The rule, one character at a time.
    fn naive(text: &str) -> String {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                    write!(out, "\\u{:04x}", c as u32).unwrap();
                }
                _ => out.push(c),
            }
        }
        out
    }

    fn escaped(text: &str) -> String {
        let mut out = vec![0xff; text.len() * GROWTH_MAX];
        let written = escape_into(text, &mut out).unwrap();
        out.truncate(written);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_go_writes() {
        // Output of Go 1.22's json.Marshal, without its quotes.
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("<a href=\"x\">&</a>", r#"\u003ca href=\"x\"\u003e\u0026\u003c/a\u003e"#),
            ("\n\r\t\u{8}\u{c}", r"\n\r\t\b\f"),
            ("\0\u{1}\u{b}\u{1f} \u{7f}", "\\u0000\\u0001\\u000b\\u001f \u{7f}"),
            ("C:\\temp", r"C:\\temp"),
            ("a\u{2028}b\u{2029}", r"a\u2028b\u2029"),
            ("\u{2027}\u{202a}€√é😀", "\u{2027}\u{202a}€√é😀"),
        ];
        for (text, expected) in table {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn too_small_by_any_number_of_bytes_is_none() {
        let text = "<\u{2028}\n😀é\"";
        let whole = naive(text).len();
        for size in 0..whole {
            assert_eq!(escape_into(text, &mut vec![0; size]), None, "{size} of {whole}");
        }
        assert_eq!(escape_into(text, &mut vec![0; whole]), Some(whole));
    }

    proptest! {
        #[test]
        fn equals_the_naive_version(text in "(?s:.|[\\x00-\\x30<>&\\\\\u{2020}-\u{2030}]){0,80}") {
            prop_assert_eq!(escaped(&text), naive(&text));
        }

        #[test]
        fn leaves_the_rest_of_the_buffer_alone(text in "(?s:.){0,40}", spare in 0usize..8) {
            let length = naive(&text).len();
            let mut out = vec![0xff; length + spare];
            prop_assert_eq!(escape_into(&text, &mut out), Some(length));
            prop_assert!(out[length..].iter().all(|&byte| byte == 0xff));
        }
    }
}
