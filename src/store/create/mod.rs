//! `POST /api/create`: makes a model of files that were uploaded as blobs, or of another model (the behaviour page,
//! section 6).
//!
//! A create goes through four files: `request` checks what can be checked without the store, `source` finds the layers
//! to start from, `weights` tries out and converts weights, `layers` puts the request's own texts over them. The blob of
//! an imported GGUF stays as it is and keeps its digest; Ollama rewrites it.

mod config;
mod error;
mod layers;
mod request;
mod source;
mod weights;

pub use error::CreateError;
pub use request::{CreateRequest, Licenses, Plan};
pub use weights::{Converted, Tools};

use crate::model::{Config, Digest, Layer, Manifest, Name, json};
use crate::prompt::gotemplate::Template;
use crate::store::Store;
use layers::Stack;
use source::Base;

/// A step of a long job, as its client is told of it (section 6.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What is being done.
    pub status: String,
    /// What it is being done to; steps that tell how far one thing is have the same.
    pub digest: String,
    /// Bytes in all; 0: not counted.
    pub total: u64,
    /// Bytes so far.
    pub completed: u64,
}

impl Step {
    /// A step without numbers.
    pub fn new(status: impl Into<String>) -> Self {
        Self { status: status.into(), ..Self::default() }
    }
}

/// Who hears of the steps of a long job.
pub trait Listener {
    /// Takes a step in. Must not wait for the client: other models wait to be written.
    fn tell(&mut self, step: Step);

    /// Whether nobody listens any more: the job ends as soon as it can.
    fn is_gone(&self) -> bool {
        false
    }
}

impl<F: FnMut(Step)> Listener for F {
    fn tell(&mut self, step: Step) {
        self(step);
    }
}

impl Plan {
    /// Makes the model and tells each step in Ollama's words (section 6.5). Blocks, while weights are converted for
    /// minutes: for a thread of its own.
    ///
    /// # Errors
    /// When what it is to be made of is missing or broken, or the disk fails. The old model of that name stays then.
    pub fn run(self, store: &Store, tools: &dyn Tools, listener: &mut dyn Listener) -> Result<(), CreateError> {
        let Self { name, mut request } = self;
        if !request.template.is_empty() {
            Template::parse(&request.template)?;
        }
        config::check_info(&request.info)?;
        let base = source::base(store, &request, tools, listener)?;
        let config = config::put_together(&mut request, &base);

        let _writing = store.begin_writing();
        let mut made = base.made.into_iter().collect();
        let written = write(store, (&name, &request), (base, &config), &mut made, listener);
        if written.is_err() {
            store.take_back(&made);
        }
        written
    }
}

/// Stores what is new and the manifest that names it all. Every blob that was not there before is noted in `made`.
fn write(
    store: &Store,
    (name, request): (&Name, &CreateRequest),
    (base, config): (Base, &Config),
    made: &mut Vec<Digest>,
    listener: &mut dyn Listener,
) -> Result<(), CreateError> {
    if listener.is_gone() {
        return Err(CreateError::Cancelled);
    }
    let name = store.refresh()?.spelling(name);
    let mut stack = Stack::new(store, base.layers, made)?;
    stack.put_texts(request, base.params)?;
    let config = stack.put(Layer::CONFIG, &json::line(config)?)?.layer;
    stack.told().into_iter().for_each(|status| listener.tell(Step::new(status)));
    listener.tell(Step::new("writing manifest"));
    store.replace(&name, &Manifest::new(config, stack.into_layers()))?;
    listener.tell(Step::new("success"));
    Ok(())
}
