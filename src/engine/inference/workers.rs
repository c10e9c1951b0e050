//! The threads beside the inference thread: a few that make prompts, a few that make masks, and one that loads and
//! unloads models.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{self, Receiver, Sender};

use super::Inbox;
use super::request::Cancelled;
use crate::config::limits::{LOADED_MODELS_MAX, PREPARING_MAX};
use crate::engine::backend::{Backend, Facts, LoadPlan, Vocabulary};
use crate::engine::grammar::{Grammars, Masks};
use crate::engine::loader::{LoadError, Loader, StopLoad};
use crate::engine::models::ModelId;
use crate::engine::prepare::{PrepareError, prepare};
use crate::engine::sequence::RequestId;
use crate::engine::templates::Templates;
use crate::engine::wire::Completion;

/// A prompt to be made.
pub struct PrepareJob {
    /// For whom.
    pub request: RequestId,
    /// What is asked.
    pub completion: Box<Completion>,
    /// The request's context, in tokens.
    pub context: usize,
    /// What the model can do.
    pub facts: Facts,
    /// Its tokens.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// Its grammars.
    pub grammars: Arc<Grammars>,
    /// Tells when it is not wanted any more.
    pub cancelled: Cancelled,
}

/// Something for the thread that loads.
pub enum LoadJob {
    /// Load a model.
    Load {
        /// Its name.
        model: ModelId,
        /// How.
        plan: LoadPlan,
        /// Bytes that it will take.
        needed: u64,
        /// Tells when it is not wanted any more.
        stop: StopLoad,
    },
    /// Free a model's memory, which may take a while.
    Unload(Box<dyn Backend>),
}

/// The way to the workers. They end when this is dropped.
pub struct Workers {
    prepare: Sender<PrepareJob>,
    load: Sender<LoadJob>,
    masks: Masks,
}

impl Workers {
    /// Starts `preparers` threads that make prompts, as many that make masks, and one that loads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        preparers: usize,
        templates: &Arc<Templates>,
        loader: Arc<dyn Loader>,
        inbox: &Sender<Inbox>,
    ) -> io::Result<Self> {
        let (prepare, jobs) = channel::bounded(PREPARING_MAX);
        for number in 0..preparers.max(1) {
            let (jobs, templates, inbox) = (jobs.clone(), templates.clone(), inbox.clone());
            let name = format!("prepare-{number}");
            thread::Builder::new().name(name).spawn(move || prepare_all(&jobs, &templates, &inbox))?;
        }
        // Each model is loaded and unloaded once, and tried again for each that made room.
        let (load, jobs) = channel::bounded(LOADED_MODELS_MAX * 3);
        let inbox = inbox.clone();
        thread::Builder::new().name("load".into()).spawn(move || load_all(&jobs, &*loader, &inbox))?;
        Ok(Self { prepare, load, masks: Masks::start(preparers)? })
    }

    /// The way to the threads that make masks.
    pub fn masks(&self) -> Masks {
        self.masks.clone()
    }

    /// Has a prompt made. False when too many wait for that.
    pub fn prepare(&self, job: PrepareJob) -> bool {
        self.prepare.try_send(job).is_ok()
    }

    /// Has a model loaded or unloaded, in the order of the calls.
    pub fn load(&self, job: LoadJob) {
        // The thread lives as long as this sender, and the queue holds all the models there can be.
        if self.load.try_send(job).is_err() {
            tracing::error!("the loading thread does not take jobs any more");
        }
    }
}

fn prepare_all(jobs: &Receiver<PrepareJob>, templates: &Templates, inbox: &Sender<Inbox>) {
    for job in jobs {
        let request = job.request;
        let result = if job.cancelled.is_set() {
            Err(PrepareError::Cancelled)
        } else {
            let (vocabulary, grammars) = (&*job.vocabulary, &*job.grammars);
            let made = || prepare(*job.completion, job.context, &job.facts, vocabulary, grammars, templates);
            catch_unwind(AssertUnwindSafe(made)).unwrap_or(Err(PrepareError::Panicked))
        };
        if inbox.send(Inbox::Prepared { request, result }).is_err() {
            return;
        }
    }
}

fn load_all(jobs: &Receiver<LoadJob>, loader: &dyn Loader, inbox: &Sender<Inbox>) {
    for job in jobs {
        let (model, plan, needed, stop) = match job {
            LoadJob::Unload(backend) => {
                drop(backend);
                continue;
            }
            LoadJob::Load { model, plan, needed, stop } => (model, plan, needed, stop),
        };
        let result = if stop.is_stopped() {
            Err(LoadError::Stopped)
        } else if let available = loader.available(&plan)
            && needed > available
        {
            // Asked here, where every earlier unload has given its memory back.
            Err(LoadError::TooLarge { needed, available })
        } else {
            let load = || loader.load(&plan, &|_progress| stop.go_on());
            let panicked = |_| Err(LoadError::Refused("loading the model failed unexpectedly".into()));
            catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(panicked)
        };
        if inbox.send(Inbox::Loaded { model, result }).is_err() {
            return;
        }
    }
}
