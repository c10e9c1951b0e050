//! Go's `%q`.

use std::fmt::Write;

/// `text` in double quotes with Go's escapes, as `%q` prints it: what is not printable is escaped, the blank excepted.
/// What is printable is Rust's notion, which knows a newer Unicode than Go's.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            // Writing to a String cannot fail.
            '\0'..='\x1f' | '\x7f' => _ = write!(out, "\\x{:02x}", u32::from(character)),
            ' '..='~' => out.push(character),
            _ if is_printable(character) => out.push(character),
            '\u{80}'..='\u{ffff}' => _ = write!(out, "\\u{:04x}", u32::from(character)),
            _ => _ = write!(out, "\\U{:08x}", u32::from(character)),
        }
    }
    out.push('"');
    out
}

/// Rust escapes the same classes in debug output: controls, formats, separators, private and unassigned code points.
/// A combining mark is one more only where it comes first, so a letter stands before it.
fn is_printable(character: char) -> bool {
    let mut bytes = [b'a'; 5];
    let length = character.encode_utf8(&mut bytes[1..]).len();
    str::from_utf8(&bytes[..=length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(character))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn escapes_as_go_does() {
        for (text, want) in [
            ("", "\"\""),
            ("a\"b\\'", "\"a\\\"b\\\\'\""),
            ("\x07\x08\x0c\n\r\t\x0b", "\"\\a\\b\\f\\n\\r\\t\\v\""),
            ("\0\x1f\x7f", "\"\\x00\\x1f\\x7f\""),
            ("\u{85}\u{2028}é日", "\"\\u0085\\u2028é日\""),
            ("\u{a0}\u{ad}\u{200b}\u{3000}\u{feff}", "\"\\u00a0\\u00ad\\u200b\\u3000\\ufeff\""),
            ("🦙e\u{301}\u{fe0f}\u{fffd}", "\"🦙e\u{301}\u{fe0f}\u{fffd}\""),
            ("\u{e000}\u{10ffff}\u{378}", "\"\\ue000\\U0010ffff\\u0378\""),
        ] {
            assert_eq!(quote(text), want);
        }
    }
}
