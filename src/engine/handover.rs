//! How an engine gets its descriptors: over the control socket, before the first message, as `SCM_RIGHTS`.
//!
//! Child and thread get them the same way. A child finds the control socket as its standard input.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::config::limits::CORES_MAX;

/// The region, and for each core a socket and a bell.
const DESCRIPTORS_MAX: usize = 1 + 2 * CORES_MAX;

/// What an engine is given at birth.
#[derive(Debug)]
pub struct Handover {
    /// The shared region.
    pub region: OwnedFd,
    /// Requests from each core.
    pub sockets: Vec<UnixStream>,
    /// Each core's eventfd.
    pub bells: Vec<OwnedFd>,
}

/// Sends the descriptors; the receiver gets duplicates.
///
/// # Errors
/// When the socket fails.
pub fn send(
    control: &UnixStream,
    region: BorrowedFd<'_>,
    sockets: &[UnixStream],
    bells: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut descriptors = vec![region];
    descriptors.extend(sockets.iter().map(AsFd::as_fd));
    descriptors.extend_from_slice(bells);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "more cores than a region serves"));
    }
    // Ancillary data needs at least one byte to travel with: the number of cores.
    let cores = [sockets.len() as u8];
    sendmsg(control, &[IoSlice::new(&cores)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives what [`send`] sent.
///
/// # Errors
/// When the socket fails, or the number of descriptors is not what the byte beside them says.
pub fn receive(control: &UnixStream) -> io::Result<Handover> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut cores = [0u8];
    let got = recvmsg(control, &mut [IoSliceMut::new(&mut cores)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    let cores = usize::from(cores[0]);
    let whole = got.bytes == 1 && !got.flags.contains(ReturnFlags::CTRUNC) && descriptors.len() == 1 + 2 * cores;
    if !whole || cores == 0 || cores > CORES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the engine was not given its descriptors"));
    }
    let bells = descriptors.split_off(1 + cores);
    let sockets = descriptors.split_off(1).into_iter().map(UnixStream::from).collect();
    let region = descriptors.swap_remove(0);
    Ok(Handover { region, sockets, bells })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn descriptors_arrive_and_work() {
        let (front, engine) = UnixStream::pair().expect("pair");
        let (mut near, far) = UnixStream::pair().expect("pair");
        let file = std::fs::File::open("/dev/null").expect("null");
        send(&front, file.as_fd(), &[far], &[file.as_fd()]).expect("sent");
        let mut got = receive(&engine).expect("received");
        near.write_all(b"x").expect("written");
        let mut byte = [0];
        got.sockets[0].read_exact(&mut byte).expect("read");
        assert_eq!((got.sockets.len(), got.bells.len(), &byte), (1, 1, b"x"));
    }

    #[test]
    fn a_byte_without_descriptors_is_refused() {
        let (mut front, engine) = UnixStream::pair().expect("pair");
        front.write_all(&[1]).expect("written");
        assert_eq!(receive(&engine).expect_err("nothing came").kind(), io::ErrorKind::InvalidData);
    }
}
