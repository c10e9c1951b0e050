//! An image of a message: base64 as it came, bytes as soon as a template looks at them, which hardly any does.

use std::cell::OnceCell;

use super::tree::Text;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes of an image.
#[derive(Debug)]
pub struct Image {
    base64: OnceCell<String>,
    bytes: OnceCell<Text>,
}

impl Image {
    /// Takes base64 with its padding. What is no base64 counts as nothing.
    pub fn from_base64(base64: &str) -> Self {
        Self { base64: OnceCell::from(base64.to_owned()), bytes: OnceCell::new() }
    }

    /// Takes bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { base64: OnceCell::new(), bytes: OnceCell::from(Text::from(bytes)) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Text {
        self.bytes.get_or_init(|| decode(self.base64.get().map_or("", String::as_str)).into())
    }

    /// The base64, as JSON has it.
    pub fn base64(&self) -> &str {
        self.base64.get_or_init(|| encode(self.bytes.get().map_or(&[], |bytes| &bytes[..])))
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

fn decode(base64: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for digit in base64.bytes().filter(|digit| !matches!(digit, b'=' | b'\r' | b'\n')) {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Vec::new(),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::Image;

    #[test]
    fn there_and_back() {
        for (bytes, base64) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\x89PNG\xff", "iVBOR/8=")]
        {
            assert_eq!(Image::from_bytes(bytes).base64(), base64);
            assert_eq!(&**Image::from_base64(base64).bytes(), bytes);
        }
        assert!(Image::from_base64("a?b=").bytes().is_empty());
    }
}
