//! What the supervisor tells a network core: that an engine is up, and over which memory and socket, or that it is gone.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use crate::stream::region::Region;
use crate::stream::wake::Eventfd;

/// A letter to a network core.
#[derive(Debug)]
pub enum Mail {
    /// A new engine serves.
    EngineUp {
        /// Its region.
        region: Arc<Region>,
        /// This core's socket to it.
        socket: UnixStream,
    },
    /// Another engine shall take this one's place: a core that owes no replies answers true and keeps its requests back
    /// until the next letter.
    Hold(SyncSender<bool>),
    /// The engine stays, because another core is not ready for that.
    Resume,
    /// The engine has gone; what runs there is lost.
    EngineDown {
        /// What clients are told.
        why: &'static str,
        /// Whether requests that were not sent yet may wait for the next engine.
        will_restart: bool,
    },
}

/// A core's mailbox. Posting rings the core's bell, the same that the engine rings for frames.
#[derive(Debug)]
pub struct Mailbox {
    letters: Mutex<Vec<Mail>>,
    /// True when there may be letters: spares the core a lock on each ring of the bell.
    any: AtomicBool,
    bell: Eventfd,
}

impl Mailbox {
    /// An empty mailbox with its core's bell.
    pub fn new(bell: Eventfd) -> Mailbox {
        Mailbox { letters: Mutex::new(Vec::new()), any: AtomicBool::new(false), bell }
    }

    /// The bell, for the engine and the core to duplicate.
    pub fn bell(&self) -> &Eventfd {
        &self.bell
    }

    /// Leaves a letter and rings.
    pub fn post(&self, mail: Mail) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
        // SYNC POINT: a core that reads `true` finds the letter.
        self.any.store(true, Ordering::Release);
        self.bell.write();
    }

    /// All letters so far, oldest first.
    pub fn take(&self) -> Vec<Mail> {
        // SYNC POINT: pairs with the store in `post`.
        if !self.any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
