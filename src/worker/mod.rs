//! The front's side of `llamero worker`: jobs on files that nobody has looked into, each in a process of its own.
//!
//! [`Workshop::probe`] loads a new GGUF where nothing else can break, and remembers the verdict. [`Workshop::quantize`]
//! makes a new blob of one. Both give a [`Task`] at once: it tells how far the job is and how it ended, to a thread that
//! waits or to a runtime, and dropped it ends the job. One probe and one quantizing run at a time; others wait in line.
//!
//! Read in this order: `task` (what callers hold), `child` (a process from its job to its end), `crash` (why one died),
//! `probe`, `quantize`. What is in the process is the room `convert`.

mod child;
mod crash;
mod error;
mod lines;
mod probe;
mod quantize;
mod task;

use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{self, Sender};

pub use self::error::WorkError;
pub use self::quantize::Quantized;
use self::task::Reporter;
pub use self::task::{Step, Task};
use crate::config::limits::WORKER_QUEUE_MAX;
use crate::convert::{Facts, Kind, Limits, Told};
use crate::model::Digest;
use crate::store::Store;

/// What workers may use, by the length of their file.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// For probes.
    pub probe: fn(u64) -> Limits,
    /// For quantizing.
    pub quantize: fn(u64) -> Limits,
}

impl Default for Rules {
    fn default() -> Self {
        Self { probe: Limits::of_probe, quantize: Limits::of_quantizing }
    }
}

/// Gives jobs to workers. Shared by all threads.
#[derive(Debug)]
pub struct Workshop {
    program: PathBuf,
    rules: Rules,
    probes: Lane,
    /// Apart from the probes: quantizing takes so long that nobody should wait for somebody else's.
    quantizers: Lane,
}

impl Workshop {
    /// Starts the two threads that watch over workers. `program` is this binary, `/proc/self/exe` in the server itself.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(program: PathBuf, rules: Rules) -> io::Result<Self> {
        Ok(Self { program, rules, probes: Lane::start("probes")?, quantizers: Lane::start("quantizers")? })
    }

    /// Finds out whether llama.cpp can load a blob. A verdict that is known ends the task at once. Reads a small file: for a
    /// worker thread; the task it gives may then be awaited anywhere.
    ///
    /// # Errors
    /// When the blob is missing, too many others wait, or descriptors have run out.
    pub fn probe(&self, store: &Arc<Store>, digest: Digest) -> Result<Task<Facts>, WorkError> {
        let path = store.blobs().find(&digest).ok_or(WorkError::NoBlob(digest))?;
        let (task, reporter) = task::new()?;
        if let Some(verdict) = probe::known(store, &digest) {
            reporter.end(verdict);
            return Ok(task);
        }
        let (program, limits, store) = (self.program.clone(), self.rules.probe, store.clone());
        self.probes.push(reporter, move |reporter| {
            // Whoever was before us in the line may have asked the same.
            let known = || probe::known(&store, &digest);
            known().unwrap_or_else(|| probe::run(&program, limits, &store, (&digest, &path), reporter))
        })?;
        Ok(task)
    }

    /// Makes a blob with the weights of another one in the type `kind`. The caller has checked that the source may be
    /// quantized ([`Kind::differs_from`]) and probes the result.
    ///
    /// # Errors
    /// When the blob is missing, too many others wait, or descriptors have run out.
    pub fn quantize(&self, store: &Arc<Store>, digest: Digest, kind: Kind) -> Result<Task<Quantized>, WorkError> {
        let path = store.blobs().find(&digest).ok_or(WorkError::NoBlob(digest))?;
        let (task, reporter) = task::new()?;
        let (program, limits, store) = (self.program.clone(), self.rules.quantize, store.clone());
        self.quantizers
            .push(reporter, move |reporter| quantize::run(&program, limits, &store, (&path, kind), reporter))?;
        Ok(task)
    }
}

/// A file as a worker is told of it: the folder that it is started in, and a name.
fn place_of(path: &Path) -> io::Result<(&Path, String)> {
    let name = path.file_name().and_then(OsStr::to_str).map(str::to_owned);
    path.parent().zip(name).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// A worker's last word that is not the one hoped for.
fn no_success(told: Told) -> WorkError {
    match told {
        Told::Refused(why) => WorkError::Refused(why),
        Told::NoMemory => WorkError::NoMemory,
        Told::Failed(why) => WorkError::Process(why),
        Told::Progress(_) | Told::Loads(_) | Told::Quantized => {
            WorkError::Process("it told of another job than its own".into())
        }
    }
}

/// A thread that does one job after the other, and those that wait for it.
#[derive(Debug)]
struct Lane(Sender<Order>);

type Order = Box<dyn FnOnce() + Send>;

impl Lane {
    fn start(name: &str) -> io::Result<Self> {
        let (sender, orders) = channel::bounded::<Order>(WORKER_QUEUE_MAX);
        thread::Builder::new().name(name.into()).spawn(move || {
            for order in orders {
                // Its reporter tells whoever waits. The lane goes on.
                if catch_unwind(AssertUnwindSafe(order)).is_err() {
                    tracing::error!("a job for a worker panicked");
                }
            }
        })?;
        Ok(Self(sender))
    }

    /// Puts a job at the end of the line. One that nobody waits for any more is left out when its turn comes.
    fn push<T: Send + 'static>(
        &self,
        reporter: Reporter<T>,
        job: impl FnOnce(&Reporter<T>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<(), WorkError> {
        let order = move || {
            let outcome = if reporter.is_unwanted() { Err(WorkError::Stopped) } else { job(&reporter) };
            reporter.end(outcome);
        };
        self.0.try_send(Box::new(order)).map_err(|_| WorkError::Busy)
    }
}
