//! Writing responses: heads, chunks and the answers that need no route.
//!
//! Names are spelled, and fields come in the order, as clients of Go's net/http have always seen them.

use std::io::Write;

use super::head::Version;

/// Tells a client that waits with its body to send it (RFC 9110 section 15.2.1).
pub const CONTINUE_100: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Bytes of the header that [`chunk_header`] makes: four hex digits and CR LF.
pub const CHUNK_HEADER_BYTES: usize = 6;
/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The last chunk and the end of a chunked body, without trailers (RFC 9112 section 7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the client learns where the body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// Nothing is said, as no body can be there: 304.
    None,
    /// Content-Length, which 204 leaves out; to HEAD the length that GET would have had.
    Length(u64),
    /// In chunks. Not for HTTP/1.0.
    Chunked,
    /// By closing the connection: streams to HTTP/1.0. Implies `Connection: close`.
    Close,
}

/// The head of a response.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Status code. One outside of 100 to 599 is written as 500.
    pub status: u16,
    /// Content-Type; none when there is no body.
    pub content_type: Option<&'a str>,
    /// Date, from [`super::date::DateCache`].
    pub date: &'a str,
    /// How the body ends.
    pub body: BodyLength,
    /// Version of the request: one that HTTP/1.0 keeps alive is told so.
    pub version: Version,
    /// Whether the connection stays open. The client is told when not.
    pub keep_alive: bool,
    /// More fields, such as those of CORS. Line breaks in values become spaces.
    pub extra: &'a [(&'a str, &'a str)],
}

impl<'a> ResponseHead<'a> {
    /// A head without a body, to an HTTP/1.1 request, on a connection that stays open.
    pub fn new(status: u16, date: &'a str) -> Self {
        Self {
            status,
            content_type: None,
            date,
            body: BodyLength::Length(0),
            version: Version::Http11,
            keep_alive: true,
            extra: &[],
        }
    }
}

/// Appends a head. The status line always says HTTP/1.1 (RFC 9110 section 2.5: "the highest version to which the
/// server is conformant").
pub fn write_head(out: &mut Vec<u8>, head: &ResponseHead<'_>) {
    write_status_line(out, head.status);
    if let Some(content_type) = head.content_type {
        write_field(out, "Content-Type", content_type);
    }
    for (name, value) in head.extra {
        write_field(out, name, value);
    }
    write_field(out, "Date", head.date);
    // RFC 9110 section 8.6: no Content-Length in 1xx and 204.
    if let BodyLength::Length(length) = head.body
        && head.status >= 200
        && head.status != 204
    {
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
    if !head.keep_alive || head.body == BodyLength::Close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if head.version == Version::Http10 {
        // RFC 9112 appendix C.2.2: an HTTP/1.0 client takes silence for a close.
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    if head.body == BodyLength::Chunked {
        debug_assert!(head.version == Version::Http11, "HTTP/1.0 has no chunks");
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The header of a chunk with `length` bytes of data, always as wide: room for it can be left before the length is
/// known. RFC 9112 section 7.1 allows leading zeros. A chunk of no bytes would end the body, so there must be some.
pub fn chunk_header(length: u16) -> [u8; CHUNK_HEADER_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    debug_assert!(length > 0, "an empty chunk ends the body");
    let digit = |shift: u16| DIGITS[usize::from(length >> shift & 15)];
    [digit(12), digit(8), digit(4), digit(0), b'\r', b'\n']
}

/// Appends `data` as one chunk; nothing when there is none, since an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    match u16::try_from(data.len()) {
        Ok(length) => out.extend_from_slice(&chunk_header(length)),
        Err(_) => append_formatted(out, format_args!("{:x}\r\n", data.len())),
    }
    out.extend_from_slice(data);
    out.extend_from_slice(CHUNK_END);
}

/// RFC 9112 section 4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`.
fn write_status_line(out: &mut Vec<u8>, status: u16) {
    let status = if (100..=599).contains(&status) { status } else { 500 };
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 section 5.5: CR, LF and NUL in a value are replaced by spaces before it goes out.
fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let value_start = out.len();
    out.extend_from_slice(value.as_bytes());
    for byte in &mut out[value_start..] {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn append_formatted(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to a Vec does not fail");
}

/// The phrase as Go's net/http has it (413, 414 and 416 keep older names than RFC 9110 section 15 gives); empty for
/// codes that are not there, which section 4 of RFC 9112 allows.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::{BodyDecoder, BodyError};
    use crate::http::head::BodyKind;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn head_text(head: &ResponseHead<'_>) -> String {
        let mut out = Vec::new();
        write_head(&mut out, head);
        String::from_utf8(out).unwrap().replace(DATE, "now")
    }

    #[test]
    fn heads_look_as_those_of_net_http() {
        let plain = ResponseHead::new(204, DATE);
        let stream = ResponseHead { content_type: Some("application/x-ndjson"), ..ResponseHead::new(200, DATE) };
        let extra = [("Allow", "POST"), ("X", "a\r\nb\0")];
        let rows = [
            (plain, "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n"),
            (
                ResponseHead { body: BodyLength::Chunked, ..stream },
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nDate: now\r\n\
                    Transfer-Encoding: chunked\r\n\r\n",
            ),
            (
                ResponseHead { body: BodyLength::Close, version: Version::Http10, ..stream },
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nDate: now\r\nConnection: close\r\n\r\n",
            ),
            (
                ResponseHead { version: Version::Http10, status: 200, ..plain },
                "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
            ),
            (
                ResponseHead { status: 405, extra: &extra, keep_alive: false, ..plain },
                "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nX: a  b \r\nDate: now\r\n\
                    Content-Length: 0\r\nConnection: close\r\n\r\n",
            ),
            (
                ResponseHead { status: 599, body: BodyLength::Length(u64::MAX), ..plain },
                "HTTP/1.1 599 \r\nDate: now\r\nContent-Length: 18446744073709551615\r\n\r\n",
            ),
            (
                ResponseHead { status: 600, body: BodyLength::None, ..plain },
                "HTTP/1.1 500 Internal Server Error\r\nDate: now\r\n\r\n",
            ),
        ];
        for (head, text) in rows {
            assert_eq!(head_text(&head), text);
        }
    }

    #[test]
    fn chunks_are_read_back() -> Result<(), BodyError> {
        assert_eq!(&chunk_header(0x1a2), b"01a2\r\n");
        let long = vec![8; 70_000];
        let pieces = [&b"a"[..], b"", &[7; 0x1a2], &long];
        let mut out = Vec::new();
        for piece in pieces {
            write_chunk(&mut out, piece);
        }
        out.extend_from_slice(LAST_CHUNK);
        let (mut decoder, mut data, mut rest) = (BodyDecoder::new(BodyKind::Chunked), Vec::new(), &out[..]);
        while !rest.is_empty() {
            let decoded = decoder.decode(rest)?;
            data.extend_from_slice(&rest[decoded.data]);
            rest = &rest[decoded.consumed..];
        }
        assert!(decoder.is_done());
        assert_eq!(data, pieces.concat());
        Ok(())
    }
}
