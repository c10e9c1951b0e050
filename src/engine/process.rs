//! The engine put together: what runs in its process, or in a thread of the front, from its descriptors to its end.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{self, Receiver, Sender};

use super::clock::monotonic_ns;
use super::frames::{self, FrameError};
use super::handover::{self, Handover};
use super::inference::{self, Inbox, Inference, Settings, Workers};
use super::intake;
use super::loader::Loader;
use super::memory;
use super::models::Room;
use super::templates::Templates;
use super::wire::{Control, EngineSettings, Event};
use crate::config::limits::{CONTEXT_DEFAULT, EVENTS_MAX, INBOX_MAX, POOL_CELLS_DEFAULT, PREFILL_CHUNK_TOKENS};
use crate::stream::back::Outbox;
use crate::stream::region::Region;

/// Threads that render prompts and split them into tokens.
const PREPARERS: usize = 2;

/// Runs an engine: receives its descriptors and settings on `control`, serves until that socket or the supervisor ends it.
///
/// # Errors
/// When the descriptors do not come, are not what they should be, or a thread cannot be started.
pub fn run(control: &UnixStream) -> io::Result<()> {
    let handover = handover::receive(control)?;
    let mut buffer = Vec::new();
    let settings = match frames::read::<Control>(&mut &*control, &mut buffer) {
        Ok(Control::Start(settings)) => settings,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "the engine was not told how to run")),
        Err(error) => return Err(io::Error::other(error)),
    };
    let Handover { region, sockets, bells } = handover;
    let region = Region::open(region).map_err(io::Error::other)?;
    let outbox = Outbox::new(&region, bells.into_iter().map(Into::into).collect());

    let (inbox, letters) = channel::bounded(INBOX_MAX);
    let (events, told) = channel::bounded(EVENTS_MAX);
    let workers = Workers::start(PREPARERS, &Arc::new(Templates::default()), loader(), &inbox)?;
    for (core, socket) in sockets.into_iter().enumerate() {
        let inbox = inbox.clone();
        let name = format!("intake-{core}");
        thread::Builder::new().name(name).spawn(move || intake::read_core(core, socket, &inbox))?;
    }
    let tell = control.try_clone()?;
    thread::Builder::new().name("events".into()).spawn(move || tell_supervisor(&tell, &told))?;
    let hear = control.try_clone()?;
    let orders = inbox.clone();
    thread::Builder::new().name("control".into()).spawn(move || hear_supervisor(&hear, &orders))?;
    // The thread's own sender would keep it waiting for itself.
    drop(inbox);

    let _ = events.send(Event::Ready);
    let engine = Inference::new(inference_settings(&settings), outbox, workers, events, Box::new(monotonic_ns));
    inference::run(engine, &letters);
    // Whoever still reads or writes on it sees the end, too.
    let _ = control.shutdown(std::net::Shutdown::Both);
    Ok(())
}

fn tell_supervisor(mut control: &UnixStream, events: &Receiver<Event>) {
    for event in events {
        if frames::write(&mut control, &event).is_err() {
            return;
        }
    }
}

/// The end of the control socket is an order to stop, too: the front has gone.
fn hear_supervisor(mut control: &UnixStream, inbox: &Sender<Inbox>) {
    let mut buffer = Vec::new();
    loop {
        let order = match frames::read::<Control>(&mut control, &mut buffer) {
            Ok(order) => order,
            Err(FrameError::Closed) => Control::Stop,
            Err(error) => {
                tracing::error!(%error, "the supervisor's socket failed");
                Control::Stop
            }
        };
        let last = order == Control::Stop;
        if inbox.send(Inbox::Control(order)).is_err() || last {
            return;
        }
    }
}

fn inference_settings(settings: &EngineSettings) -> Settings {
    let context = if settings.context == 0 { CONTEXT_DEFAULT } else { settings.context };
    let cells = match settings.parallel {
        0 => POOL_CELLS_DEFAULT.max(context),
        parallel => parallel.saturating_mul(context),
    };
    Settings {
        room: Room {
            models: settings.loaded_models as usize,
            bytes: memory_bytes(),
            keep_alive: settings.keep_alive,
            context: settings.context,
            cells,
            batch_rows: PREFILL_CHUNK_TOKENS as u32,
            cache: settings.cache,
            load_timeout: settings.load_timeout,
        },
        parallel: settings.parallel as usize,
        queue: settings.queue as usize,
        recycle: settings.recycle,
    }
}

/// What models may take together: what the devices have free, or nine tenths of the memory that is available.
fn memory_bytes() -> u64 {
    #[cfg(feature = "llama")]
    {
        let gpus: u64 = super::ffi::devices().iter().filter(|device| device.is_gpu).map(|device| device.free).sum();
        if gpus > 0 {
            return gpus;
        }
    }
    memory::available() / 10 * 9
}

#[cfg(feature = "llama")]
fn loader() -> Arc<dyn Loader> {
    Arc::new(super::ffi::LlamaLoader::new())
}

/// Without llama.cpp every model is the synthetic one.
#[cfg(not(feature = "llama"))]
fn loader() -> Arc<dyn Loader> {
    Arc::new(super::synthetic::SyntheticLoader)
}
