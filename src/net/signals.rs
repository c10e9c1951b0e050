//! SIGTERM and SIGINT: the first drains the server, the second ends it at once. SIGXFSZ: a write fails, nothing more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::api::App;

/// Exit status of a server that a second signal ended: 128 and SIGINT's number, as shells report it.
const EXIT_AT_ONCE: i32 = 130;

/// Watches for signals on a thread of its own.
///
/// # Errors
/// When the handlers cannot be set.
pub fn watch(app: Arc<App>) -> io::Result<()> {
    // Past the limit of a file's size (ulimit -f) the write then fails with an error, instead of ending the server.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if app.stop() {
                tracing::info!(signal, "stopping: running streams may end, a second signal ends at once");
            } else {
                std::process::exit(EXIT_AT_ONCE);
            }
        }
    })?;
    Ok(())
}
