//! Numbers and texts from a file whose length is known, with a check before every one of them.

use std::io::{self, BufRead, BufReader, Read};

use crate::config::limits::{GGUF_HEADER_BYTES, GGUF_STRING_BYTES};
use crate::model::gguf::GgufError;

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A reader that knows how much is left. Invariant: `position <= file_bytes`.
pub(super) struct Cursor<R> {
    reader: BufReader<io::Take<R>>,
    position: u64,
    file_bytes: u64,
}

impl<R: Read> Cursor<R> {
    pub(super) fn new(reader: R, file_bytes: u64) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader.take(file_bytes));
        Self { reader, position: 0, file_bytes }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Makes sure that `wanted` bytes are left, in the file and in what a header may take.
    pub(super) fn need(&self, wanted: u64) -> Result<(), GgufError> {
        let left = self.file_bytes - self.position;
        if wanted > left {
            return Err(GgufError::Cut { at: self.position, wanted, left });
        }
        match self.position.checked_add(wanted) {
            Some(end) if end <= GGUF_HEADER_BYTES => Ok(()),
            _ => Err(GgufError::HeaderTooLong),
        }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.need(N as u64)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// The name of a key or a tensor, of at most `most` bytes.
    pub(super) fn name(&mut self, most: u64) -> Result<String, GgufError> {
        let at = self.position;
        let bytes = self.prefixed(most)?;
        String::from_utf8(bytes).map_err(|_| GgufError::NotUtf8(at))
    }

    /// A value. Tokens may be parts of a character: each byte that is not UTF-8 becomes U+FFFD, as in Go's JSON.
    pub(super) fn string(&mut self) -> Result<String, GgufError> {
        let bytes = self.prefixed(GGUF_STRING_BYTES)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| replaced(error.as_bytes())))
    }

    /// Passes over a text.
    pub(super) fn skip_string(&mut self) -> Result<(), GgufError> {
        let bytes = self.length(GGUF_STRING_BYTES)?;
        self.skip(bytes)
    }

    /// Passes over `bytes` bytes.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        self.need(bytes)?;
        let mut rest = bytes;
        while rest > 0 {
            let ready = self.reader.fill_buf()?.len() as u64;
            if ready == 0 {
                return Err(GgufError::Cut { at: self.position, wanted: rest, left: 0 });
            }
            let step = ready.min(rest);
            self.reader.consume(step as usize);
            self.position += step;
            rest -= step;
        }
        Ok(())
    }

    fn prefixed(&mut self, most: u64) -> Result<Vec<u8>, GgufError> {
        let mut bytes = vec![0; self.length(most)? as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The length of a text, which is at most `most` and does not lead past the end.
    fn length(&mut self, most: u64) -> Result<u64, GgufError> {
        let bytes = self.u64()?;
        if bytes > most {
            return Err(GgufError::StringTooLong { bytes, most });
        }
        self.need(bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes`, for which there has been a [`Cursor::need`].
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        let wanted = bytes.len() as u64;
        self.reader.read_exact(bytes).map_err(|error| match error.kind() {
            // The file has shrunk since its length was taken.
            io::ErrorKind::UnexpectedEof => GgufError::Cut { at: self.position, wanted, left: 0 },
            _ => error.into(),
        })?;
        self.position += wanted;
        Ok(())
    }
}

/// Go replaces byte by byte; `String::from_utf8_lossy` would make one sign of several bytes.
fn replaced(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + char::REPLACEMENT_CHARACTER.len_utf8());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
