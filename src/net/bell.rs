//! Waiting for a core's eventfd: the engine rings it once for each step that has frames for this core.

use std::io;
use std::os::fd::OwnedFd;

use super::driver::Driver;

/// The reading end of a core's eventfd.
pub enum Bell {
    /// One read through the ring; completes when the counter is above zero.
    IoUring {
        /// The eventfd.
        file: monoio::fs::File,
        /// Takes the counter, given back by each read.
        buffer: Option<Vec<u8>>,
    },
    /// Readiness, then a read: on epoll a file operation would block the core.
    Epoll {
        /// The eventfd, registered for readiness. Never read or written as a socket.
        watch: monoio::net::UnixStream,
        /// The same eventfd.
        fd: OwnedFd,
    },
}

impl Bell {
    /// Wraps an eventfd, which must be non-blocking for epoll.
    ///
    /// # Errors
    /// When the descriptor cannot be duplicated or registered.
    pub fn new(driver: Driver, fd: OwnedFd) -> io::Result<Bell> {
        match driver {
            Driver::IoUring => {
                // A non-blocking eventfd would answer EAGAIN instead of waiting in the ring.
                rustix::io::ioctl_fionbio(&fd, false)?;
                let file = monoio::fs::File::from_std(std::fs::File::from(fd))?;
                Ok(Bell::IoUring { file, buffer: Some(vec![0; 8]) })
            }
            Driver::Epoll => {
                rustix::io::ioctl_fionbio(&fd, true)?;
                let watch = monoio::net::UnixStream::from_std(fd.try_clone()?.into())?;
                Ok(Bell::Epoll { watch, fd })
            }
        }
    }

    /// Waits until the bell has rung since the last call.
    ///
    /// # Errors
    /// When the descriptor fails, which a live eventfd does not.
    pub async fn rung(&mut self) -> io::Result<()> {
        match self {
            Bell::IoUring { file, buffer } => {
                let taken = buffer.take().unwrap_or_else(|| vec![0; 8]);
                let (result, taken) = file.read_at(taken, 0).await;
                *buffer = Some(taken);
                result.map(|_| ())
            }
            Bell::Epoll { watch, fd } => loop {
                watch.readable(false).await?;
                match rustix::io::read(&*fd, &mut [0u8; 8]) {
                    Ok(_) => return Ok(()),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            },
        }
    }
}
