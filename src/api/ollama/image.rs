//! Images in requests: base64 text, checked when it is read and decoded where the pixels are needed.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// An image's bytes in standard base64 (RFC 4648 section 4; line breaks may stand between, as Go allows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image(String);

impl Image {
    /// Takes a text that is base64.
    ///
    /// # Errors
    /// When it is not.
    pub fn new(base64: String) -> Result<Self, Base64Error> {
        check(base64.as_bytes())?;
        Ok(Self(base64))
    }

    /// The text.
    pub fn base64(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Image;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Image, E> {
                // Checked before it is copied: most of a body may be one image.
                check(text.as_bytes()).map_err(E::custom)?;
                Ok(Image(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A byte that does not belong there, in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {at}")]
pub struct Base64Error {
    /// Its position, or that of the group which is incomplete at the end.
    pub at: usize,
}

/// Groups of four characters, the last one padded. Go names a different byte for each way to go wrong.
fn check(text: &[u8]) -> Result<(), Base64Error> {
    // Characters of the group that is being read.
    let mut group = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\r' | b'\n' => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => group = (group + 1) % 4,
            b'=' if group >= 2 => return check_padding(text, at, group),
            _ => return Err(Base64Error { at }),
        }
        at += 1;
    }
    if group == 0 { Ok(()) } else { Err(Base64Error { at: at - group }) }
}

/// What follows the first `=`, which stands at `at` behind `group` characters of its group.
fn check_padding(text: &[u8], at: usize, group: usize) -> Result<(), Base64Error> {
    let past_breaks =
        |from: usize| (from..text.len()).find(|&at| !matches!(text[at], b'\r' | b'\n')).unwrap_or(text.len());
    let mut next = past_breaks(at + 1);
    if group == 2 {
        match text.get(next) {
            Some(b'=') => next = past_breaks(next + 1),
            Some(_) => return Err(Base64Error { at: next - 1 }),
            None => return Err(Base64Error { at: text.len() }),
        }
    }
    if next < text.len() { Err(Base64Error { at: next }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_pass() {
        for text in ["", "AAAA", "QUJD", "QUI=", "QQ==", "Q\nUJ\r\nD", "QQ=\n=\n", "QQ==\r\n", "+/+/"] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_byte_that_go_names_is_named() {
        for (text, at) in [
            ("!", 0),
            ("QUJ!", 3),
            ("QUJD-", 4),
            ("=", 0),
            ("Q===", 1),
            ("QQ=", 3),
            ("QQ=A", 2),
            ("QQ==A", 4),
            ("QUI=A", 4),
            ("QUI==", 4),
            ("Q", 0),
            ("QUJDQQ", 4),
            ("QUJDQUJ", 4),
            ("é", 0),
        ] {
            assert_eq!(check(text.as_bytes()), Err(Base64Error { at }), "{text}");
        }
    }
}
