//! One thread for each network core's socket: reads requests and hands them to the inference thread.

use std::os::unix::net::UnixStream;

use crossbeam::channel::Sender;

use super::frames::{self, FrameError};
use super::inference::Inbox;
use super::wire::ToEngine;

/// Reads a core's messages until its socket ends, and says so. Blocks while the inbox is full, which in turn blocks the
/// core's sender: nothing piles up in between.
pub fn read_core(core: usize, mut socket: UnixStream, inbox: &Sender<Inbox>) {
    let mut buffer = Vec::new();
    loop {
        let letter = match frames::read::<ToEngine>(&mut socket, &mut buffer) {
            Ok(ToEngine::Submit(submit)) => Inbox::Submit { core, submit },
            Ok(ToEngine::Cancel(stream)) => Inbox::Cancel { core, stream },
            Ok(ToEngine::Pause(stream)) => Inbox::Pause { core, stream },
            Ok(ToEngine::Resume(stream)) => Inbox::Resume { core, stream },
            Ok(ToEngine::Wake) => Inbox::Wake,
            Err(error) => {
                if !matches!(error, FrameError::Closed) {
                    tracing::error!(core, %error, "a core's socket failed");
                }
                // Nobody listens any more when the engine stops.
                let _ = inbox.send(Inbox::CoreClosed { core });
                return;
            }
        };
        if inbox.send(letter).is_err() {
            return;
        }
    }
}
