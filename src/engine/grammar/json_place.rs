//! Where in a JSON text an answer stands, as far as its bytes alone tell.

/// The place behind the bytes that have come. The text is known to be JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    in_string: bool,
    escaped: bool,
    number: usize,
}

impl Place {
    /// Goes on by some bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.in_string {
                let was_escaped = std::mem::take(&mut self.escaped);
                match byte {
                    b'\\' => self.escaped = !was_escaped,
                    b'"' => self.in_string = was_escaped,
                    _ => {}
                }
                continue;
            }
            self.in_string = byte == b'"';
            self.number = if is_number_byte(byte) { self.number + 1 } else { 0 };
        }
    }

    /// Bytes of the number that the text ends with; 0 inside strings.
    pub(super) fn number_bytes(self) -> usize {
        self.number
    }
}

/// Whether a number can have this byte in it.
pub(super) fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_outside_strings() {
        let rows = [
            ("", 0),
            ("12", 2),
            ("{\"a\": -1.5e3", 6),
            ("{\"a\": 12,", 0),
            ("{\"12", 0),
            (r#"["\"12"#, 0),
            (r#"["\\",12"#, 2),
        ];
        for (text, number) in rows {
            let mut place = Place::default();
            place.advance(text.as_bytes());
            assert_eq!(place.number_bytes(), number, "{text}");
        }
    }
}
