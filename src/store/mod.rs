//! The model folder on disk, in Ollama's layout (the behaviour page, section 4): `blobs/` and `manifests/`.
//!
//! Everything that touches the disk blocks and belongs on a worker, with one exception: [`Store::lookup`] answers from
//! memory after a single `stat`, so that a request for a known model never leaves its network core.
//! Errors tell what happened, never where: paths of the machine go to the log only.

mod abilities;
mod blobs;
mod create;
mod draft;
mod files;
mod index;
mod model;
mod prune;
mod scan;
mod temp;
mod verdicts;
mod write;
mod writing;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use abilities::Abilities;
pub use blobs::{BlobError, BlobWriter, Blobs};
pub use create::{Converted, CreateError, CreateRequest, Licenses, Listener, Plan, Step, Tools};
pub use draft::{Draft, Kept};
pub use index::Index;
pub use model::{GoSide, Model, ModelError};
pub use verdicts::Verdicts;

use crate::model::Name;
use scan::Scanner;

/// The store itself could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the model store could not be {step}: {}", files::trouble(source))]
pub struct StoreError {
    /// `created`, `read` or `written`.
    step: &'static str,
    source: io::Error,
}

impl StoreError {
    fn while_it_is(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { step, source }
    }
}

/// A model folder. Shared by all threads.
#[derive(Debug)]
pub struct Store {
    blobs: Blobs,
    verdicts: Verdicts,
    /// Held while the folder is scanned: never by a network core.
    scanner: Mutex<Scanner>,
    /// What the last scan found. Held only to clone or replace the pointer.
    index: Mutex<Arc<Index>>,
    /// Held while a model is written, so that nobody prunes a blob that somebody else is about to name.
    writing: Mutex<()>,
    /// Whether a create removes the blobs that only the model before it had.
    prunes: bool,
}

impl Store {
    /// Opens the folder `root` (`OLLAMA_MODELS`, or `~/.ollama/models`), makes it where it is missing, and scans it.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        // `show` tells where the weights lie, whatever folder the server was started in.
        let root = std::path::absolute(root).map_err(StoreError::while_it_is("read"))?;
        let blobs = root.join("blobs");
        let manifests = root.join("manifests");
        for folder in [&blobs, &manifests] {
            std::fs::create_dir_all(folder).map_err(StoreError::while_it_is("created"))?;
        }
        let blobs = Blobs::new(blobs);
        let store = Self {
            verdicts: Verdicts::open(&root, &blobs),
            blobs,
            scanner: Mutex::new(Scanner::new(manifests)),
            index: Mutex::default(),
            writing: Mutex::default(),
            prunes: true,
        };
        store.refresh()?;
        Ok(store)
    }

    /// Removes the temporary files of servers that are gone. Gives how many there are that somebody still holds: another
    /// server, or what the kernel has not yet taken apart of one that was killed.
    pub fn remove_left_over(&self) -> usize {
        let manifests = lock(&self.scanner).root().to_owned();
        [self.blobs.folder(), &manifests, self.verdicts.folder()].into_iter().map(temp::remove_stale).sum()
    }

    /// Keeps the blobs of models that are replaced (`OLLAMA_NOPRUNE`).
    #[must_use]
    pub fn keeping_unused(self) -> Self {
        Self { prunes: false, ..self }
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// What is remembered about blobs.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// What the last scan found; may be out of date. Does not touch the disk.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&lock(&self.index))
    }

    /// Looks for changes on disk. Manifests that have not changed are not read again, and no GGUF header is read twice.
    ///
    /// # Errors
    /// When the folder of manifests cannot be read. Single models that cannot be read are left out.
    pub fn refresh(&self) -> Result<Arc<Index>, StoreError> {
        let mut scanner = lock(&self.scanner);
        let fresh = scanner.scan(&self.blobs).map_err(StoreError::while_it_is("read"))?;
        let mut index = lock(&self.index);
        if let Some(fresh) = fresh {
            *index = Arc::new(fresh);
        }
        Ok(Arc::clone(&index))
    }

    /// The model of that name, if memory has it and its manifest is unchanged: one `stat`, microseconds.
    /// `None` says nothing: ask [`Store::resolve`] on a worker.
    pub fn lookup(&self, name: &Name) -> Option<Arc<Model>> {
        let model = self.index().find(name)?;
        model.is_current().then_some(model)
    }

    /// Makes a file in both folders and removes it again: tells whether models can be made here.
    ///
    /// # Errors
    /// When that does not go.
    pub fn try_writing(&self) -> Result<(), StoreError> {
        let manifests = lock(&self.scanner).root().to_owned();
        for folder in [self.blobs.folder(), &manifests] {
            temp::TempFile::create(folder).map_err(StoreError::while_it_is("written"))?;
        }
        Ok(())
    }

    /// The licences of a model: they stay on disk until somebody asks.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn licenses(&self, model: &Model) -> Result<Vec<String>, ModelError> {
        model::licenses(&self.blobs, &model.manifest)
    }

    /// The model of that name after a look at the disk; case does not count (the behaviour page, section 0.11).
    ///
    /// # Errors
    /// When the folder of manifests cannot be read.
    pub fn resolve(&self, name: &Name) -> Result<Option<Arc<Model>>, StoreError> {
        Ok(self.refresh()?.find(name))
    }
}

/// A panic elsewhere leaves these values whole: they are replaced, not changed step by step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
