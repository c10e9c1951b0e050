//! The client's side of HTTP/1.1, without I/O: bytes in, body bytes out (RFC 9112).

use std::fmt::Write as _;

/// Longest response head or chunk-size line that is read.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What is wrong with a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The head, or a chunk's size line, passes [`HEAD_BYTES`].
    #[error("a head is longer than {HEAD_BYTES} bytes")]
    LongHead,
    /// The status line is not `HTTP/1.x NNN`.
    #[error("bad status line")]
    BadStatus,
    /// A Content-Length or a chunk size is no number.
    #[error("bad length")]
    BadLength,
    /// A chunk does not end where it should.
    #[error("bad chunk")]
    BadChunk,
    /// The connection ended inside of the response.
    #[error("the connection ended early")]
    Truncated,
}

/// Where the decoder is in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// This many bytes of body are still to come.
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end behind a chunk's data.
    ChunkEnd,
    Trailer,
    /// Without a length the body ends with the connection (section 6.3, rule 8).
    UntilClose,
    Done,
}

/// Takes one response apart, however its bytes are cut.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The head or line that is not complete yet.
    pending: Vec<u8>,
    status: u16,
    close: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Head, pending: Vec::new(), status: 0, close: false }
    }
}

impl Decoder {
    /// Status code; 0 before the head is read.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the whole response was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the server will take no more requests on this connection.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// Takes bytes from the connection and hands those of the body on. Bytes behind the response are dropped: this
    /// client does not pipeline.
    ///
    /// # Errors
    /// [`HttpError`]; the connection is then of no more use.
    pub fn feed(&mut self, mut input: &[u8], body: &mut impl FnMut(&[u8])) -> Result<(), HttpError> {
        while !input.is_empty() && self.state != State::Done {
            let used = match self.state {
                State::Head => self.feed_head(input)?,
                State::ChunkSize | State::ChunkEnd | State::Trailer => self.feed_line(input)?,
                State::Length(left) | State::ChunkData(left) => {
                    let used = left.min(input.len() as u64) as usize;
                    body(&input[..used]);
                    self.state = match (self.state, left - used as u64) {
                        (State::Length(_), 0) => State::Done,
                        (State::Length(_), left) => State::Length(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::ChunkData(left),
                    };
                    used
                }
                State::UntilClose => {
                    body(input);
                    input.len()
                }
                State::Done => 0,
            };
            input = &input[used..];
        }
        Ok(())
    }

    /// The connection ended.
    ///
    /// # Errors
    /// [`HttpError::Truncated`] unless the response was complete or ends so.
    pub fn end(&mut self) -> Result<(), HttpError> {
        match self.state {
            State::Done | State::UntilClose => {
                (self.state, self.close) = (State::Done, true);
                Ok(())
            }
            _ => Err(HttpError::Truncated),
        }
    }

    fn feed_head(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        let before = self.pending.len();
        self.pending.extend_from_slice(&input[..input.len().min(HEAD_BYTES + 4 - before)]);
        let from = before.saturating_sub(3);
        let Some(at) = self.pending[from..].windows(4).position(|window| window == b"\r\n\r\n") else {
            return if self.pending.len() > HEAD_BYTES { Err(HttpError::LongHead) } else { Ok(input.len()) };
        };
        let end = from + at + 4;
        let head = String::from_utf8_lossy(&self.pending[..end - 4]).into_owned();
        self.pending.clear();
        self.read_head(&head)?;
        Ok(end - before)
    }

    fn read_head(&mut self, head: &str) -> Result<(), HttpError> {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or("");
        let mut words = status_line.splitn(3, ' ');
        let version = words.next().unwrap_or("");
        self.status = words.next().and_then(|code| code.parse().ok()).ok_or(HttpError::BadStatus)?;
        if !version.starts_with("HTTP/1.") || self.status < 100 {
            return Err(HttpError::BadStatus);
        }
        self.close = version == "HTTP/1.0";
        let (mut length, mut chunked) = (None, false);
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse::<u64>().map_err(|_| HttpError::BadLength)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                self.close = value.eq_ignore_ascii_case("close");
            }
        }
        // RFC 9112 section 6.3: chunked goes before a length; 1xx, 204 and 304 have no body; an interim answer is
        // followed by the final one.
        self.state = match (self.status, chunked, length) {
            (100..200, ..) => State::Head,
            (204 | 304, ..) | (_, false, Some(0)) => State::Done,
            (_, true, _) => State::ChunkSize,
            (_, false, Some(length)) => State::Length(length),
            (_, false, None) => State::UntilClose,
        };
        Ok(())
    }

    fn feed_line(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        let newline = input.iter().position(|byte| *byte == b'\n');
        let used = newline.map_or(input.len(), |at| at + 1);
        if self.pending.len() + used > HEAD_BYTES {
            return Err(HttpError::LongHead);
        }
        self.pending.extend_from_slice(&input[..used]);
        if newline.is_none() {
            return Ok(used);
        }
        let line = self.pending.trim_ascii();
        self.state = match self.state {
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(HttpError::BadChunk),
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => State::Trailer,
            _ => match chunk_size(line)? {
                0 => State::Trailer,
                size => State::ChunkData(size),
            },
        };
        self.pending.clear();
        Ok(used)
    }
}

/// The hexadecimal size of a chunk; extensions behind it are ignored (section 7.1.1).
fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let line = std::str::from_utf8(line).map_err(|_| HttpError::BadLength)?;
    let digits = line.split(';').next().unwrap_or("").trim();
    u64::from_str_radix(digits, 16).map_err(|_| HttpError::BadLength)
}

/// A request with its head, ready to be sent. Without a body it is a GET, with one a POST of this type.
pub fn request(host: &str, path: &str, body: Option<(&str, &[u8])>) -> Vec<u8> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some((kind, body)) = body {
        // Writing to a String cannot fail.
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body.map_or(b"", |(_, body)| body));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, body, done, closes.
    type Got = Result<(u16, Vec<u8>, bool, bool), HttpError>;

    fn decode(pieces: &[&[u8]], ended: bool) -> Got {
        let (mut decoder, mut body) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut |bytes| body.extend_from_slice(bytes))?;
        }
        if ended {
            decoder.end()?;
        }
        Ok((decoder.status(), body, decoder.is_done(), decoder.closes()))
    }

    #[test]
    fn any_cut_gives_the_same() {
        let table: &[(&str, bool, Got)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, Ok((200, b"abc".to_vec(), true, false))),
            ("HTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n", false, Ok((201, vec![], true, false))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
                false,
                Ok((200, b"abc0123456789".to_vec(), true, false)),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                false,
                Ok((200, b"abc".to_vec(), false, false)),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", true, Err(HttpError::Truncated)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", false, Err(HttpError::BadChunk)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false, Err(HttpError::BadLength)),
            ("HTTP/1.0 200 OK\r\n\r\nall of it", true, Ok((200, b"all of it".to_vec(), true, true))),
            (
                "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
                false,
                Ok((503, b"x".to_vec(), true, true)),
            ),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", false, Ok((204, vec![], true, false))),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false, Err(HttpError::BadLength)),
            ("ICY 200 OK\r\n\r\n", false, Err(HttpError::BadStatus)),
        ];
        for (text, ended, want) in table {
            let bytes = text.as_bytes();
            assert_eq!(&decode(&[bytes], *ended), want, "{text:?}");
            for cut in 1..bytes.len() {
                let (left, right) = bytes.split_at(cut);
                assert_eq!(&decode(&[left, right], *ended), want, "{text:?} cut at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(&decode(&single, *ended), want, "{text:?} byte by byte");
        }
    }

    #[test]
    fn heads_and_lines_are_bounded() {
        let endless = vec![b'x'; HEAD_BYTES * 2];
        assert_eq!(decode(&[&endless], false), Err(HttpError::LongHead));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(decode(&[chunked, &endless], false), Err(HttpError::LongHead));
    }

    #[test]
    fn requests() {
        assert_eq!(request("h:1", "/a", None), b"GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n");
        assert_eq!(
            request("h:1", "/a", Some(("application/json", b"{}"))),
            b"POST /a HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
    }
}
