//! A counter in the kernel by which one thread wakes another, in the same process or not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;

/// An eventfd. It blocks: on a non-blocking one `io_uring` would answer at once instead of waiting for a wake.
#[derive(Debug)]
pub struct Eventfd(OwnedFd);

impl Eventfd {
    /// A new one, not inherited by children unless handed to them.
    ///
    /// # Errors
    /// When the process or the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// Wakes whoever reads it; wakes that nobody has read yet become one.
    ///
    /// It reports no error because it has none to report: eight bytes to an eventfd fail only when its counter is
    /// full, which takes 2^64 unread wakes.
    pub fn write(&self) {
        while rustix::io::write(&self.0, &1_u64.to_ne_bytes()) == Err(rustix::io::Errno::INTR) {}
    }

    /// Another descriptor of the same counter.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl AsFd for Eventfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that another process handed over.
impl From<OwnedFd> for Eventfd {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Eventfd> for OwnedFd {
    fn from(eventfd: Eventfd) -> Self {
        eventfd.0
    }
}
