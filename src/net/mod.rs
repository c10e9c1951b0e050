//! The network side: one runtime per core, its listener, its connections, and the way from the engine's rings to sockets.

mod bell;
mod cell;
mod conn;
mod core;
pub mod driver;
mod input;
pub mod listen;
mod outflow;
mod replies;
mod request_body;
mod signals;
mod steps;
mod upload;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use self::bell::Bell;
use self::core::Core;
pub use self::core::CoreCounts;
use self::driver::Driver;
use self::listen::{Address, Bound};
use crate::api::App;
use crate::engine::mailbox::Mailbox;

/// Threads of each core's pool for file work and template reading.
const WORKERS_PER_CORE: usize = 2;
/// A pause after `accept` failed for lack of descriptors, which would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address could not be listened on.
    #[error(transparent)]
    Listen(#[from] listen::ListenError),
    /// A core's runtime, thread or descriptor could not be made.
    #[error("start network core {core}: {source}")]
    Core {
        /// Which.
        core: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// Signal handlers could not be set.
    #[error("handle signals: {0}")]
    Signals(io::Error),
}

/// A core that is ready to run: what its thread takes over.
struct Seat {
    index: usize,
    sockets: Vec<Bound>,
    bell: OwnedFd,
    mailbox: Arc<Mailbox>,
    counts: Arc<CoreCounts>,
}

/// Serves until a signal asks it to stop, and then until the running streams have ended or their time is up.
///
/// One thread runs each core; this one waits for signals. `mailboxes` has one entry for each core.
///
/// # Errors
/// When nothing can be listened on, or a core cannot be started.
pub fn serve(app: &Arc<App>, driver: Driver, bound: Vec<Bound>, mailboxes: &[Arc<Mailbox>]) -> Result<(), ServeError> {
    signals::watch(app.clone()).map_err(ServeError::Signals)?;
    let mut threads = Vec::new();
    for seat in seats(app, bound, mailboxes)? {
        let (app, index) = (app.clone(), seat.index);
        let thread = thread::Builder::new()
            .name(format!("net-{index}"))
            .spawn(move || driver::block_on(driver, WORKERS_PER_CORE, run_core(app, driver, seat)))
            .map_err(|source| ServeError::Core { core: index, source })?;
        threads.push((index, thread));
    }
    for (core, thread) in threads {
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("the core's thread panicked")));
        ended.and_then(|inner| inner).map_err(|source| ServeError::Core { core, source })?;
    }
    Ok(())
}

fn seats(app: &App, bound: Vec<Bound>, mailboxes: &[Arc<Mailbox>]) -> Result<Vec<Seat>, ServeError> {
    let mut seats = Vec::with_capacity(mailboxes.len());
    for (index, mailbox) in mailboxes.iter().enumerate() {
        let bell = mailbox.bell().try_clone().map_err(|source| ServeError::Core { core: index, source })?.into();
        let counts = app.core_counts[index].clone();
        seats.push(Seat { index, sockets: Vec::new(), bell, mailbox: mailbox.clone(), counts });
    }
    for (place, socket) in bound.into_iter().enumerate() {
        let core = place % seats.len();
        seats[core].sockets.push(socket);
    }
    Ok(seats)
}

async fn run_core(app: Arc<App>, driver: Driver, seat: Seat) -> io::Result<()> {
    let bell = Bell::new(driver, seat.bell)?;
    let core = Core::new(app, driver, seat.index, seat.mailbox, seat.counts);
    for Bound { address, socket } in seat.sockets {
        match address {
            Address::Tcp(_) => {
                let listener = monoio::net::TcpListener::from_std(socket.into())?;
                monoio::spawn(accept_tcp(core.clone(), listener));
            }
            Address::Unix(_) => {
                let listener = monoio::net::UnixListener::from_std(socket.into())?;
                monoio::spawn(accept_unix(core.clone(), listener));
            }
        }
    }
    monoio::spawn(core.clone().send_to_engine());
    let answering = monoio::spawn(core.clone().answer_bell(bell));
    monoio::select! {
        () = core.clone().sweep() => Ok(()),
        failed = answering => failed,
    }
}

async fn accept_tcp(core: Rc<Core>, listener: monoio::net::TcpListener) {
    let cell = core.acceptor();
    while let Ok(accepted) = cell.until_expired(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                // Events are small and each matters: Nagle's algorithm would hold them back.
                let _ = stream.set_nodelay(true);
                if let Some(admission) = core.admit() {
                    monoio::spawn(conn::serve(stream, admission));
                }
            }
            Err(error) => accept_failed(&error).await,
        }
    }
}

async fn accept_unix(core: Rc<Core>, listener: monoio::net::UnixListener) {
    let cell = core.acceptor();
    while let Ok(accepted) = cell.until_expired(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                if let Some(admission) = core.admit() {
                    monoio::spawn(conn::serve(stream, admission));
                }
            }
            Err(error) => accept_failed(&error).await,
        }
    }
}

async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "accepting a connection failed");
    monoio::time::sleep(ACCEPT_PAUSE).await;
}
