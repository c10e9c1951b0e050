//! One writer at a time: of the threads of this server, and of the servers that share the folder.
//!
//! Without that a server could remove a blob, because no manifest names it any more, while another one writes a manifest
//! that does. Ollama takes no such lock.

use std::fs::{File, TryLockError};
use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::limits::STORE_LOCK_MS;
use crate::store::{Store, lock};

/// How long to wait between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Held while manifests are written and blobs removed.
pub(super) struct Writing<'a> {
    // Dropped first: the next thread of this server finds the folder free.
    _folder: Option<File>,
    _thread: MutexGuard<'a, ()>,
}

impl Store {
    /// Waits until nobody else writes. A server that holds the folder for longer than [`STORE_LOCK_MS`] hangs, or is
    /// stopped: it is not waited for.
    pub(super) fn begin_writing(&self) -> Writing<'_> {
        let thread = lock(&self.writing);
        Writing { _folder: self.lock_folder(), _thread: thread }
    }

    /// Locks the folder of manifests (flock), which ends with the file or its process. `None`: it cannot be locked.
    fn lock_folder(&self) -> Option<File> {
        let root = lock(&self.scanner).root().to_owned();
        let folder = match File::open(root) {
            Ok(folder) => folder,
            Err(error) => {
                tracing::debug!(%error, "the folder of manifests cannot be opened");
                return None;
            }
        };
        let until = Instant::now() + Duration::from_millis(STORE_LOCK_MS);
        loop {
            match folder.try_lock() {
                Ok(()) => return Some(folder),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    tracing::warn!("another server on this store does not end its writing: it is not waited for");
                    return None;
                }
                // A file system without locks.
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(%error, "the folder of manifests could not be locked");
                    return None;
                }
            }
        }
    }
}
