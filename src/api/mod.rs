//! The HTTP API: who answers a request, and how.
//!
//! A handler takes a body and gives an [`Outcome`]: an answer at once, a job for a worker (anything that touches files),
//! or a request for the engine. Handlers know no runtime.

pub mod answer;
mod gate;
pub mod json;
pub mod ollama;
mod ops;
mod route;
pub mod steps;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub use self::answer::Answer;
pub use self::gate::{Fields, Gate};
pub use self::route::route;
pub use self::steps::StepJob;
pub use self::upload::{Opened, Reception, Upload};
use crate::config::env::Settings;
use crate::engine::clock;
use crate::engine::supervisor::EngineHandle;
use crate::engine::wire::{Framing, Submit};
use crate::http::head::Version;
use crate::net::CoreCounts;
use crate::store::Store;
use crate::worker::Workshop;

/// What all handlers share.
pub struct App {
    /// The models on disk.
    pub store: Arc<Store>,
    /// The engine.
    pub engine: Arc<EngineHandle>,
    /// Those who work on files that nobody has looked into.
    pub workshop: Workshop,
    /// The environment's settings.
    pub settings: Settings,
    /// Which origins and hosts may ask.
    pub gate: Gate,
    /// Counts of each network core.
    pub core_counts: Vec<Arc<CoreCounts>>,
    /// Whether the routes for measurements are served.
    pub diagnostics: bool,
    /// Jobs that tell their steps and are under way.
    pub long_jobs: Arc<AtomicUsize>,
    stopping: AtomicBool,
}

impl App {
    /// Puts the parts together, for `cores` network cores.
    pub fn new(
        store: Arc<Store>,
        engine: Arc<EngineHandle>,
        workshop: Workshop,
        settings: Settings,
        gate: Gate,
        cores: usize,
        diagnostics: bool,
    ) -> App {
        let core_counts = (0..cores).map(|_| Arc::default()).collect();
        App {
            store,
            engine,
            workshop,
            settings,
            gate,
            core_counts,
            diagnostics,
            long_jobs: Arc::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Asks the server to stop. `false` when it was asked before.
    pub fn stop(&self) -> bool {
        !self.stopping.swap(true, Ordering::Relaxed)
    }

    /// Whether the server was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How long running streams may go on after that.
    pub fn drain_time(&self) -> Duration {
        Duration::from_millis(self.settings.timeouts.drain_ms)
    }
}

/// What a request's body is for.
pub enum BodyPlan {
    /// Nothing: read and dropped.
    Ignore,
    /// Collected for the handler.
    Json,
    /// Written to the store as it arrives; the handler is not asked.
    Upload(Upload),
}

/// Who answers, and what with.
pub struct Route {
    /// What becomes of the body.
    pub plan: BodyPlan,
    /// Who answers.
    pub handler: Handler,
}

/// Every handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// `/`
    Root,
    /// `/api/version`
    Version,
    /// `/api/tags`
    Tags,
    /// `/api/ps`
    Ps,
    /// `/api/generate`
    Generate,
    /// `/api/chat`
    Chat,
    /// `/api/status`
    Status,
    /// `/api/show`
    Show {
        /// Whether GitHub Copilot asks.
        for_copilot: bool,
    },
    /// `/api/create`
    Create,
    /// `/api/copy`
    Copy,
    /// `/api/delete`
    Delete,
    /// A route of ollama.com's accounts and searches, which this server has nothing to do with.
    Cloud(ollama::cloud::Service),
    /// `/api/experimental/model-recommendations`
    Recommendations,
    /// HEAD of a blob, by its digest as written in the path.
    BlobExists(String),
    /// What the engine holds.
    EngineCount,
    /// Frames without a model.
    SyntheticStream,
}

/// Work for a thread that may block.
pub type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// What comes of a request.
pub enum Outcome {
    /// The whole answer.
    Answer(Answer),
    /// A job that may take long or touch files; its outcome is the request's.
    Worker(Job),
    /// A request whose answer the engine streams.
    Engine(Box<Submit>),
    /// A job that tells its steps.
    Steps(StepJob),
}

/// What a handler has to know of the request besides its body.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Version of the request: streams to HTTP/1.0 have no chunks.
    pub version: Version,
    /// When its body was there, on the clock that the engine reads too.
    pub received_ns: u64,
}

impl Call {
    /// A request that is handled now.
    pub fn now(version: Version) -> Call {
        Call { version, received_ns: clock::monotonic_ns() }
    }

    /// How a reply is put on the connection.
    pub fn framing(self, stream: bool) -> Framing {
        match (stream, self.version) {
            (false, _) => Framing::Whole,
            (true, Version::Http11) => Framing::Chunked,
            (true, Version::Http10) => Framing::Bare,
        }
    }
}

impl Handler {
    /// Answers a request with `body`.
    pub fn run(self, app: &Arc<App>, body: Vec<u8>, version: Version) -> Outcome {
        match self {
            Handler::Root => Outcome::Answer(Answer::text(200, "Ollama is running")),
            Handler::Version => Outcome::Answer(ollama::small::version()),
            Handler::Tags => ollama::small::tags(app.clone()),
            Handler::Ps => ollama::small::ps(app.clone()),
            Handler::Generate => ollama::generate::handle(app, body, Call::now(version)),
            Handler::Chat => ollama::chat::handle(app, body, Call::now(version)),
            Handler::Status => Outcome::Answer(ollama::cloud::status(app)),
            Handler::Show { for_copilot } => ollama::show::handle(app, body, for_copilot),
            Handler::Create => ollama::create::handle(app.clone(), body),
            Handler::Copy => ollama::manage::copy(app.clone(), body),
            Handler::Delete => ollama::manage::delete(app.clone(), body),
            Handler::Cloud(service) => Outcome::Answer(ollama::cloud::refuse(service, &body)),
            Handler::Recommendations => Outcome::Answer(ollama::cloud::recommendations()),
            Handler::BlobExists(digest) => upload::exists(app.clone(), &digest),
            Handler::EngineCount => ops::engine_count(app.clone()),
            Handler::SyntheticStream => ops::synthetic_stream(body, Call::now(version)),
        }
    }
}
