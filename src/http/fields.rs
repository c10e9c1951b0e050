//! What the fields of a head say about the framing of the message and about the connection.

use super::bytes::trim;
use super::head::{BodyKind, HeadError, Version};

/// Gathered field by field, so that a contradiction is found with the line that makes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Framing {
    content_length: Option<u64>,
    chunked: bool,
    /// True exactly when a Connection field listed `close`.
    close: bool,
    /// True exactly when a Connection field listed `keep-alive`.
    keep_alive: bool,
    /// True exactly when an Expect field was `100-continue`.
    expect_continue: bool,
}

impl Framing {
    /// Takes in one field; those that do not matter here are passed over.
    pub fn note(&mut self, name: &[u8], value: &[u8], version: Version) -> Result<(), HeadError> {
        // The length decides between the five names before any byte is compared.
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"expect") => self.note_expect(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => return self.note_content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                return self.note_transfer_encoding(value, version);
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9110 section 10.1.1. Other expectations may be ignored, and are.
    fn note_expect(&mut self, value: &[u8]) {
        self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue");
    }

    /// RFC 9110 section 7.6.1: a list of options without regard to case.
    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9110 section 8.6: `Content-Length = 1*DIGIT`. A list of equal numbers may be accepted or refused; two
    /// readers that take different members of it are how requests are smuggled, so it is refused.
    fn note_content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.chunked {
            return Err(HeadError::LengthAndEncoding);
        }
        if self.content_length.is_some() {
            return Err(HeadError::DoubleContentLength);
        }
        let length = parse_decimal(value).ok_or(HeadError::BadContentLength)?;
        self.content_length = Some(length);
        Ok(())
    }

    /// RFC 9112 section 6.1. "A server that receives a request message with a transfer coding it does not understand
    /// SHOULD respond with 501", and "a sender MUST NOT apply the chunked transfer coding more than once".
    fn note_transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), HeadError> {
        if version == Version::Http10 {
            return Err(HeadError::EncodingInOldVersion);
        }
        if self.content_length.is_some() {
            return Err(HeadError::LengthAndEncoding);
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::OtherEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// RFC 9112 section 6.3: rules 4, 6 and 7.
    pub fn body_kind(self) -> BodyKind {
        match (self.chunked, self.content_length) {
            (true, _) => BodyKind::Chunked,
            (false, Some(length)) => BodyKind::Length(length),
            (false, None) => BodyKind::None,
        }
    }

    /// RFC 9112 section 9.3: `close` wins, then HTTP/1.1 persists, then HTTP/1.0 does with `keep-alive`.
    pub fn keep_alive(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// RFC 9110 section 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore
    /// that expectation". Without content there is nothing to wait for.
    pub fn expect_continue(self, version: Version) -> bool {
        let has_body = !matches!(self.body_kind(), BodyKind::None | BodyKind::Length(0));
        self.expect_continue && has_body && version == Version::Http11
    }
}

/// `1*DIGIT` below 2^64.
fn parse_decimal(value: &[u8]) -> Option<u64> {
    let (first, rest) = value.split_first()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    rest.iter().try_fold(digit(first)?, |number: u64, byte| number.checked_mul(10)?.checked_add(digit(byte)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let rows = [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 1", None),
            ("1,1", None),
            ("0x1", None),
        ];
        for (text, number) in rows {
            assert_eq!(parse_decimal(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn persistence_follows_the_options_in_any_order_and_case() {
        let rows = [
            (Version::Http11, &[][..], true),
            (Version::Http11, &["close"], false),
            (Version::Http11, &["Keep-Alive, CLOSE"], false),
            (Version::Http11, &["upgrade"], true),
            (Version::Http11, &["closed"], true),
            (Version::Http10, &[], false),
            (Version::Http10, &["keep-alive"], true),
            (Version::Http10, &["x, \tKeep-Alive"], true),
            (Version::Http10, &["keep-alive", "close"], false),
        ];
        for (version, values, persists) in rows {
            let mut framing = Framing::default();
            for value in values {
                framing.note(b"Connection", value.as_bytes(), version).unwrap();
            }
            assert_eq!(framing.keep_alive(version), persists, "{version:?} {values:?}");
        }
    }

    #[test]
    fn an_expectation_needs_a_body_and_http_1_1() {
        let rows = [
            (Version::Http11, "100-Continue", "5", true),
            (Version::Http11, "100-continue", "0", false),
            (Version::Http11, "200-ok", "5", false),
            (Version::Http10, "100-continue", "5", false),
        ];
        for (version, expectation, length, expects) in rows {
            let mut framing = Framing::default();
            framing.note(b"Expect", expectation.as_bytes(), version).unwrap();
            framing.note(b"Content-Length", length.as_bytes(), version).unwrap();
            assert_eq!(framing.expect_continue(version), expects, "{version:?} {expectation} {length}");
        }
    }
}
