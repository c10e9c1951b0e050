//! Ctrl-C: the first ends what is measured and keeps what was found until then, the second ends the program at once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Set by the first signal.
static SEEN: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// Exit code of a program that a second one ended: 128 and the number of SIGINT, as shells tell it.
const EXIT_CODE: i32 = 130;

/// Begins to listen.
///
/// # Errors
/// If the kernel takes no handler.
pub fn listen() -> io::Result<()> {
    let seen = SEEN.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        // The order counts: the exit looks at what the flag was before this signal sets it.
        flag::register_conditional_shutdown(signal, EXIT_CODE, seen.clone())?;
        flag::register(signal, seen.clone())?;
    }
    Ok(())
}

/// Whether it is time to end.
pub fn seen() -> bool {
    SEEN.get().is_some_and(|seen| seen.load(Ordering::Relaxed))
}
