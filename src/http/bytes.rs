//! Classes of bytes in HTTP's grammar, and scanning over runs of one class.

use std::ops::Range;

/// `tchar` of RFC 9110 section 5.6.2: what methods and field names are made of.
pub(super) const TOKEN: u8 = 1;
/// What a request target may hold, RFC 3986 sections 2 and 3: `unreserved`, `sub-delims`, `:`, `@`, `/`, `?`, `%`,
/// and the brackets of an IPv6 address. A fragment (`#`) is never sent.
pub(super) const TARGET: u8 = 2;
/// What a field value may hold, RFC 9110 section 5.5: visible characters, space, tab and `obs-text`.
pub(super) const TEXT: u8 = 4;
/// `reg-name` of RFC 3986 section 3.2.2, the percent sign included.
pub(super) const REG_NAME: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        let alphanumeric = value.is_ascii_alphanumeric();
        let unreserved = alphanumeric || matches!(value, b'-' | b'.' | b'_' | b'~');
        let sub_delim = matches!(value, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        let token_mark = matches!(
            value,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        if alphanumeric || token_mark {
            table[byte] |= TOKEN;
        }
        if unreserved || sub_delim || value == b'%' {
            table[byte] |= TARGET | REG_NAME;
        }
        if matches!(value, b':' | b'@' | b'/' | b'?' | b'[' | b']') {
            table[byte] |= TARGET;
        }
        if value == b'\t' || value >= b' ' && value != 0x7f {
            table[byte] |= TEXT;
        }
        byte += 1;
    }
    table
}

/// Whether `byte` belongs to `class`.
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Index of the first byte at or after `at` that is not of `class`; the length of `bytes` when there is none.
pub(super) fn skip(bytes: &[u8], at: usize, class: u8) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| !is(byte, class)).unwrap_or(rest.len())
}

/// [`skip`] for [`TEXT`], whole blocks at a time: field values are most of a head.
pub(super) fn skip_text(bytes: &[u8], mut at: usize) -> usize {
    const BLOCK: usize = 16;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // Without an early exit this becomes a few vector instructions. A tab only ends the fast part.
        if block.iter().fold(0, |found, &byte| found | u8::from(byte < b' ' || byte == 0x7f)) != 0 {
            break;
        }
        at += BLOCK;
    }
    skip(bytes, at, TEXT)
}

/// Where `value` lies between the spaces and tabs around it: `OWS` of RFC 9110 section 5.6.3.
pub(super) fn trimmed(value: &[u8]) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    start..end
}

/// `value` without the spaces and tabs around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    &value[trimmed(value)]
}

/// `text` as a string: the classes above but [`TEXT`] hold ASCII only, so what was checked against them is UTF-8.
pub(super) fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_match_their_grammars() {
        let listed = |class| (0..=255).filter(|&byte| is(byte, class)).map(char::from).collect::<String>();
        assert_eq!(listed(TOKEN), "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
        assert_eq!(
            listed(TARGET),
            "!$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~"
        );
        assert_eq!(listed(REG_NAME), "!$%&'()*+,-.0123456789;=ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");
        assert_eq!((0..=255).filter(|&byte| !is(byte, TEXT)).count(), 32);
        assert!(is(b'\t', TEXT) && is(0xff, TEXT) && !is(0x7f, TEXT) && !is(b'\n', TEXT));
    }

    #[test]
    fn skipping_text_in_blocks_is_skipping_text() {
        for length in 0..70 {
            for stop in 0..length {
                for byte in [b'\t', b'\r', b'\n', 0, 0x7f, 0x1f, 0x80, b' '] {
                    let mut bytes = vec![b'x'; length];
                    bytes[stop] = byte;
                    assert_eq!(skip_text(&bytes, 0), skip(&bytes, 0, TEXT), "{byte:#x} at {stop} of {length}");
                }
            }
        }
    }

    #[test]
    fn trimming_takes_spaces_and_tabs() {
        for (value, trimmed) in [("", ""), (" \t ", ""), ("a b", "a b"), (" \ta b\t ", "a b"), ("\u{a0}a", "\u{a0}a")] {
            assert_eq!(trim(value.as_bytes()), trimmed.as_bytes());
        }
    }
}
