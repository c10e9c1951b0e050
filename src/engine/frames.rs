//! Messages on the sockets between front and engine: a little-endian `u32` length, then a postcard body.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::limits::WIRE_MESSAGE_BYTES;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side has closed the socket between two messages.
    #[error("the socket was closed")]
    Closed,
    /// The socket failed, or ended within a message.
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
    /// The length is zero or above `WIRE_MESSAGE_BYTES`.
    #[error("a message of {0} bytes is not allowed")]
    Length(usize),
    /// The body is not what was expected.
    #[error("a message could not be understood: {0}")]
    Body(#[from] postcard::Error),
}

/// Appends `message` with its length to `frame`.
///
/// # Errors
/// When the message is longer than `WIRE_MESSAGE_BYTES`; `frame` is then empty.
pub fn put<M: Serialize>(message: &M, mut frame: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    let start = frame.len();
    frame.extend_from_slice(&[0; 4]);
    let mut frame = postcard::to_extend(message, frame)?;
    let length = frame.len() - start - 4;
    if length > WIRE_MESSAGE_BYTES {
        return Err(FrameError::Length(length));
    }
    frame[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Writes one message.
///
/// # Errors
/// When the socket fails or the message is too long.
pub fn write<M: Serialize>(socket: &mut impl Write, message: &M) -> Result<(), FrameError> {
    let frame = put(message, Vec::new())?;
    Ok(socket.write_all(&frame)?)
}

/// Reads one message; `buffer` is scratch memory that grows as bytes come, not as they are promised.
///
/// # Errors
/// [`FrameError::Closed`] at the end of the socket, else what was wrong.
pub fn read<M: DeserializeOwned>(socket: &mut impl Read, buffer: &mut Vec<u8>) -> Result<M, FrameError> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FrameError::Closed),
        Err(error) => return Err(error.into()),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 || length > WIRE_MESSAGE_BYTES {
        return Err(FrameError::Length(length));
    }
    buffer.clear();
    let got = socket.by_ref().take(length as u64).read_to_end(buffer)?;
    if got < length {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    let message = postcard::from_bytes(buffer)?;
    buffer.shrink_to(64 * 1024);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wire::ToEngine;

    #[test]
    fn messages_come_back_in_order() {
        let mut frame = put(&ToEngine::Cancel(7), Vec::new()).expect("short");
        frame = put(&ToEngine::Wake, frame).expect("short");
        let (mut socket, mut buffer) = (&frame[..], Vec::new());
        assert_eq!(read::<ToEngine>(&mut socket, &mut buffer).expect("first"), ToEngine::Cancel(7));
        assert_eq!(read::<ToEngine>(&mut socket, &mut buffer).expect("second"), ToEngine::Wake);
        assert!(matches!(read::<ToEngine>(&mut socket, &mut buffer), Err(FrameError::Closed)));
    }

    #[test]
    fn a_promise_that_is_too_large_or_not_kept_is_refused() {
        let mut buffer = Vec::new();
        let huge = u32::MAX.to_le_bytes();
        assert!(matches!(read::<ToEngine>(&mut &huge[..], &mut buffer), Err(FrameError::Length(_))));
        let cut = [9, 0, 0, 0, 1];
        assert!(matches!(read::<ToEngine>(&mut &cut[..], &mut buffer), Err(FrameError::Io(_))));
        let nonsense = [1, 0, 0, 0, 200];
        assert!(matches!(read::<ToEngine>(&mut &nonsense[..], &mut buffer), Err(FrameError::Body(_))));
    }
}
