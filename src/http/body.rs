//! Request bodies: finding the data between the framing (RFC 9112 sections 6 and 7).
//!
//! The decoder copies nothing. It is shown the bytes that arrived and tells which of them are data.

use std::ops::Range;

use super::bytes::{self, TEXT, TOKEN};
use super::head::BodyKind;
use crate::config::limits::{CHUNK_LINE_BYTES, TRAILER_BYTES};

/// Why a body is refused. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No hex digits, or something else after them.
    #[error("a chunk does not begin with its size in hex digits")]
    BadChunkSize,
    /// RFC 9112 section 7.1: a recipient "MUST anticipate potentially large hexadecimal numerals".
    #[error("a chunk size does not fit into 64 bits")]
    ChunkTooLarge,
    /// RFC 9112 section 7.1.1: a recipient "ought to limit the total length of chunk extensions".
    #[error("the line of a chunk size is longer than {CHUNK_LINE_BYTES} bytes")]
    ChunkLineTooLong,
    /// A control character, or a bare LF.
    #[error("a chunk extension has a control character")]
    BadChunkExtension,
    /// More data than the chunk's size said, or less.
    #[error("the data of a chunk is not followed by CR LF")]
    BadChunkEnd,
    /// A CR in the framing that no LF follows.
    #[error("the framing of the chunked body has a CR that no LF follows")]
    BareCr,
    /// Not a field line.
    #[error("a trailer line is not a header field")]
    BadTrailer,
    /// Past its bound.
    #[error("the trailers are longer than {TRAILER_BYTES} bytes")]
    TrailersTooLong,
}

impl BodyError {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::TrailersTooLong => 431,
            _ => 400,
        }
    }
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are dealt with. More than none unless the input was empty or the body had ended.
    pub consumed: usize,
    /// Which bytes of the input are data: a range within the consumed ones, often empty.
    pub data: Range<usize>,
    /// Whether the body has ended. What follows the consumed bytes is the next request.
    pub done: bool,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first digit of a chunk size.
    Size,
    /// More digits, or what ends them.
    SizeMore,
    /// Blanks after the digits: only an extension may follow.
    SizeBlank,
    /// An extension, which is ignored.
    Extension,
    /// The LF after a chunk size.
    SizeLf,
    /// Data; the number of bytes is in `remaining`.
    Data,
    /// The CR and the LF after the data of a chunk.
    DataCr,
    DataLf,
    /// The first byte of a trailer line, or the empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// The LF of the empty line.
    EndLf,
    Done,
}

/// Takes one request's body out of its framing.
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
    /// Data that is still to come: of the body with Content-Length, else of the chunk.
    remaining: u64,
    chunked: bool,
    /// Bytes of the current size line, or of all trailers.
    line: usize,
}

impl BodyDecoder {
    /// A decoder for a body of that kind.
    pub fn new(kind: BodyKind) -> Self {
        let (state, remaining) = match kind {
            BodyKind::None | BodyKind::Length(0) => (State::Done, 0),
            BodyKind::Length(length) => (State::Data, length),
            BodyKind::Chunked => (State::Size, 0),
        };
        Self { state, remaining, chunked: kind == BodyKind::Chunked, line: 0 }
    }

    /// Whether the body has ended: from the start when there is none.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes that come next are data and nothing else: a reader may take that many straight to where they
    /// belong, and show them to [`BodyDecoder::decode`] there.
    pub fn data_ahead(&self) -> u64 {
        if self.state == State::Data { self.remaining } else { 0 }
    }

    /// Looks at the next bytes of the connection: framing, then at most one run of data. Call it again with what
    /// follows the consumed bytes until it is done; with nothing left, wait for more bytes.
    ///
    /// # Errors
    /// When the framing is wrong. All data before that place has been handed out by then. The decoder is of no
    /// further use.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut at = 0;
        while !matches!(self.state, State::Data | State::Done) {
            let Some(&byte) = input.get(at) else { break };
            self.state = self.step(byte)?;
            at += 1;
        }
        let mut data = at..at;
        if self.state == State::Data {
            let length = self.remaining.min((input.len() - at) as u64);
            data.end += length as usize;
            self.remaining -= length;
            if self.remaining == 0 {
                self.state = if self.chunked { State::DataCr } else { State::Done };
            }
        }
        Ok(Decoded { consumed: data.end, data, done: self.is_done() })
    }

    /// One byte of the framing: the state after it.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match self.state {
            State::Size => {
                debug_assert_eq!(self.remaining, 0, "a chunk begins when the one before is used up");
                self.line = 0;
                self.add_digit(byte)
            }
            State::SizeMore | State::SizeBlank | State::Extension => self.step_size_line(byte),
            State::SizeLf => Self::expect_lf(byte).map(|()| self.begin_chunk()),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size),
            State::DataCr | State::DataLf => Err(BodyError::BadChunkEnd),
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.step_trailer(byte)
            }
            State::EndLf => Self::expect_lf(byte).map(|()| State::Done),
            State::Data | State::Done => Ok(self.state),
        }
    }

    /// RFC 9112 section 7.1: `chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF` and
    /// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`.
    /// Of an extension only the bytes are checked, and that its line ends in CR LF: bare LFs hide requests.
    fn step_size_line(&mut self, byte: u8) -> Result<State, BodyError> {
        self.line += 1;
        if byte == b'\r' && self.state != State::SizeBlank {
            return Ok(State::SizeLf);
        }
        if self.line >= CHUNK_LINE_BYTES {
            return Err(BodyError::ChunkLineTooLong);
        }
        match (self.state, byte) {
            (State::Extension, _) if bytes::is(byte, TEXT) => Ok(State::Extension),
            (State::Extension, _) => Err(BodyError::BadChunkExtension),
            (_, b';') => Ok(State::Extension),
            (_, b' ' | b'\t') => Ok(State::SizeBlank),
            (State::SizeMore, _) => self.add_digit(byte),
            _ => Err(BodyError::BadChunkSize),
        }
    }

    fn add_digit(&mut self, byte: u8) -> Result<State, BodyError> {
        let digit = char::from(byte).to_digit(16).ok_or(BodyError::BadChunkSize)?;
        let shifted = self.remaining.checked_mul(16).ok_or(BodyError::ChunkTooLarge)?;
        self.remaining = shifted + u64::from(digit);
        Ok(State::SizeMore)
    }

    /// After a size line. A size of zero is the last chunk, and trailers follow.
    fn begin_chunk(&mut self) -> State {
        self.line = 0;
        if self.remaining == 0 { State::TrailerStart } else { State::Data }
    }

    /// RFC 9112 section 7.1.2: `trailer-section = *( field-line CRLF )`. They are read and ignored.
    fn step_trailer(&mut self, byte: u8) -> Result<State, BodyError> {
        self.line += 1;
        match self.state {
            State::TrailerStart if byte == b'\r' => return Ok(State::EndLf),
            State::TrailerLf => return Self::expect_lf(byte).map(|()| State::TrailerStart),
            _ if self.line > TRAILER_BYTES => return Err(BodyError::TrailersTooLong),
            _ => {}
        }
        match (self.state, byte) {
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, _) if bytes::is(byte, TOKEN) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if bytes::is(byte, TEXT) => Ok(State::TrailerValue),
            _ => Err(BodyError::BadTrailer),
        }
    }

    fn expect_lf(byte: u8) -> Result<(), BodyError> {
        if byte == b'\n' { Ok(()) } else { Err(BodyError::BareCr) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_data_is_ahead() {
        let mut decoder = BodyDecoder::new(BodyKind::Length(5));
        assert_eq!(decoder.data_ahead(), 5);
        decoder.decode(b"abc").unwrap();
        assert_eq!(decoder.data_ahead(), 2);
        decoder.decode(b"de").unwrap();
        assert_eq!((decoder.data_ahead(), decoder.is_done()), (0, true));
        let mut decoder = BodyDecoder::new(BodyKind::Chunked);
        assert_eq!(decoder.data_ahead(), 0, "framing comes first");
        decoder.decode(b"A\r\n0123").unwrap();
        assert_eq!(decoder.data_ahead(), 6);
        decoder.decode(b"456789").unwrap();
        assert_eq!(decoder.data_ahead(), 0, "framing again");
    }
}
