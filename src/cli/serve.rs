//! `serve`: puts the server together and runs it.

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::api::{App, Gate};
use crate::cli::error::CliError;
use crate::config::env::{LogLevel, Settings};
use crate::config::host::Host;
use crate::config::limits;
use crate::engine::mailbox::Mailbox;
use crate::engine::process;
use crate::engine::supervisor::{self, EngineHandle, Mode};
use crate::engine::wire::EngineSettings;
use crate::net::driver::{self, Driver};
use crate::net::listen::{self, Address, Bound};
use crate::net::{self, ServeError};
use crate::store::Store;
use crate::stream::wake::Eventfd;
use crate::worker::{Rules, Workshop};

/// Flags of `serve`. What `OLLAMA_*` says comes from the environment.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Run the engine as a process of its own, or as a thread of the server
    #[arg(long, value_enum, default_value_t = EngineMode::Child)]
    pub engine: EngineMode,
    /// Network cores [default: 1 below 8 CPUs, otherwise up to 4]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=limits::CORES_MAX as i64))]
    pub cores: Option<u16>,
    /// How the network cores wait for the kernel
    #[arg(long, value_enum, default_value_t = DriverChoice::Auto)]
    pub driver: DriverChoice,
    /// Serve /debug routes: what the engine holds, and streams without a model
    #[arg(long, hide = true)]
    pub diagnostics: bool,
}

/// Where the inference thread lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineMode {
    /// In the server's process: smallest, and easiest to debug.
    Thread,
    /// In a process of its own, which may die without taking the server along.
    Child,
}

/// Which driver to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DriverChoice {
    /// `io_uring` where it is allowed, else epoll.
    Auto,
    /// `io_uring`, or fail.
    #[value(name = "io_uring")]
    IoUring,
    /// epoll.
    Epoll,
}

/// Why the server could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `OLLAMA_HOST` names no address.
    #[error("{host} is no address to listen on: {source}")]
    Address {
        /// What it says.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// `--driver io_uring` where there is none.
    #[error("io_uring cannot be used here: {0}")]
    NoRing(io::Error),
    /// `OLLAMA_ORIGINS` cannot be used.
    #[error(transparent)]
    Origins(#[from] crate::http::origin::OriginError),
    /// The model store cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Listening or serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The threads that watch over workers could not be started.
    #[error("start the threads that watch over workers: {0}")]
    Workshop(io::Error),
    /// The thread that looks for left-over files could not be started.
    #[error("start the thread that looks for left-over files: {0}")]
    LeftOvers(io::Error),
    /// The supervisor could not be started.
    #[error("start the engine's supervisor: {0}")]
    Supervisor(io::Error),
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the server cannot start.
pub fn run(args: &ServeArgs, settings: &Settings) -> Result<(), CliError> {
    start_log(settings.log_level);
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(serve(args, settings)?)
}

/// Sends the log to stderr. The engine's process does the same.
pub fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let colour = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(colour).with_target(false).init();
}

fn serve(args: &ServeArgs, settings: &Settings) -> Result<(), StartError> {
    let driver = choose_driver(args.driver)?;
    let address = address(&settings.host)?;
    let cores = args.cores.map_or_else(default_cores, usize::from);
    let cores = if matches!(address, Address::Unix(_)) { 1 } else { cores };
    let bound = listen::bind(&address, cores).map_err(ServeError::from)?;
    let gate = Gate::new(&settings.origins.join(","), on_loopback(&bound))?;
    let store = open_store(settings)?;

    let mailboxes = mailboxes(cores).map_err(StartError::Supervisor)?;
    let engine = EngineHandle::new(mailboxes.clone());
    let mode = match args.engine {
        EngineMode::Child => Mode::Child,
        EngineMode::Thread => Mode::Thread,
    };
    let supervisor = supervisor::supervise(engine.clone(), mode, engine_settings(settings, mode), process::run)
        .map_err(StartError::Supervisor)?;
    for Bound { address, .. } in bound.iter().take(1) {
        tracing::info!(%driver, cores, version = env!("CARGO_PKG_VERSION"), "listening on {address}");
    }
    let workshop = Workshop::start("/proc/self/exe".into(), Rules::default()).map_err(StartError::Workshop)?;
    let app = Arc::new(App::new(store, engine.clone(), workshop, settings.clone(), gate, cores, args.diagnostics));
    let served = net::serve(&app, driver, bound, &mailboxes);
    engine.stop();
    let _ = supervisor.join();
    tracing::info!("stopped");
    Ok(served?)
}

/// Opens the model folder, and says so where models can be read there and not be made.
fn open_store(settings: &Settings) -> Result<Arc<Store>, StartError> {
    let store = Store::open(&settings.models)?;
    if let Err(error) = store.try_writing() {
        let folder = settings.models.display();
        tracing::warn!(%folder, "models can be run and not be created, copied or deleted: {error}");
        return Ok(Arc::new(store));
    }
    let store = Arc::new(if settings.no_prune { store.keeping_unused() } else { store });
    if !settings.no_prune {
        store.prune();
    }
    if store.remove_left_over() > 0 {
        let store = store.clone();
        thread::Builder::new()
            .name("left-overs".into())
            .spawn(move || look_again(&store))
            .map_err(StartError::LeftOvers)?;
    }
    Ok(store)
}

/// Looks again for what servers that are gone left behind, until nobody holds such a file.
fn look_again(store: &Store) {
    for pause in limits::LEFT_OVER_PAUSES_MS {
        thread::sleep(Duration::from_millis(*pause));
        if store.remove_left_over() == 0 {
            return;
        }
    }
}

fn choose_driver(choice: DriverChoice) -> Result<Driver, StartError> {
    if choice == DriverChoice::Epoll {
        return Ok(Driver::Epoll);
    }
    match driver::probe() {
        (driver, None) => Ok(driver),
        (_, Some(error)) if choice == DriverChoice::IoUring => Err(StartError::NoRing(error)),
        (driver, Some(error)) => {
            tracing::warn!(%error, "io_uring cannot be used here: epoll serves instead");
            Ok(driver)
        }
    }
}

fn default_cores() -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    if cpus < 8 { 1 } else { (cpus / 4).min(4) }
}

fn mailboxes(cores: usize) -> io::Result<Vec<Arc<Mailbox>>> {
    (0..cores).map(|_| Ok(Arc::new(Mailbox::new(Eventfd::new()?)))).collect()
}

/// Where to listen. A name may stand for several addresses: the first IPv4 one is taken, as Go does.
fn address(host: &Host) -> Result<Address, StartError> {
    let tcp = match host {
        Host::Unix(path) => return Ok(Address::Unix(path.clone())),
        Host::Tcp(tcp) => tcp,
    };
    let fail = |source| StartError::Address { host: tcp.host.clone(), source };
    if tcp.host.is_empty() {
        return Ok(Address::Tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, tcp.port))));
    }
    let name = tcp.host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = (name, tcp.port).to_socket_addrs().map_err(fail)?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    let nothing = || fail(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    first.copied().map(Address::Tcp).ok_or_else(nothing)
}

/// Whether only this machine can reach the server, which turns the host check on.
fn on_loopback(bound: &[Bound]) -> bool {
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    bound.iter().all(|bound| matches!(bound.address, Address::Tcp(address) if is_loopback(address.ip())))
}

fn engine_settings(settings: &Settings, mode: Mode) -> EngineSettings {
    let count = |number: Option<usize>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    EngineSettings {
        parallel: count(settings.num_parallel),
        loaded_models: count(settings.max_loaded_models),
        queue: u32::try_from(settings.max_queue).unwrap_or(u32::MAX),
        context: settings.context_length.unwrap_or(0),
        keep_alive: settings.keep_alive,
        cache: settings.kv_cache(),
        load_timeout: settings.load_timeout.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
        recycle: mode == Mode::Child,
    }
}
