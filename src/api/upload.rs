//! `/api/blobs/:digest` (the behaviour page, section 1.6).

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::ollama::error::ApiError;
use super::{Answer, App, Outcome};
use crate::model::Digest;
use crate::store::{BlobError, BlobWriter};

/// An upload whose digest has been read and whose body has not.
pub struct Upload {
    app: Arc<App>,
    target: Target,
}

/// Which blob is uploaded.
#[derive(Debug, Clone)]
struct Target {
    /// The digest as the path has it: Ollama compares its text.
    text: String,
    digest: Digest,
}

/// What an upload meets in the store.
pub enum Opened {
    /// The blob is there already: this is the answer, and nobody needs the body.
    Present(Answer),
    /// Its bytes may come.
    Ready(Reception),
}

impl Upload {
    /// Checks the digest in the path; the store is not touched yet.
    ///
    /// # Errors
    /// 400 when it is no digest.
    pub fn begin(app: &Arc<App>, text: &str) -> Result<Upload, Answer> {
        let digest = parse(text)?;
        Ok(Upload { app: app.clone(), target: Target { text: text.to_owned(), digest } })
    }

    /// Looks for the blob and makes a file for it where it is missing. For a worker.
    ///
    /// # Errors
    /// 500 when no file can be made.
    pub fn open(self) -> Result<Opened, Answer> {
        match self.app.store.blobs().begin(self.target.digest) {
            Ok(Some(writer)) => Ok(Opened::Ready(Reception { target: self.target, writer })),
            Ok(None) => Ok(Opened::Present(Answer::empty(200))),
            Err(error) => Err(self.target.refusal(&error)),
        }
    }
}

/// A blob whose bytes are coming in. Dropped before [`Reception::finish`], it leaves nothing behind.
///
/// All but [`Reception::check`] belongs on a worker: hashing takes long, and dropping a large file, too.
pub struct Reception {
    target: Target,
    writer: BlobWriter,
}

impl Reception {
    /// Another handle of the file, for a ring that writes to it.
    ///
    /// # Errors
    /// The answer, when there can be none.
    pub fn file(&self) -> Result<File, Answer> {
        self.writer.file().map_err(|error| self.target.refusal(&error))
    }

    /// Hashes the next bytes, which somebody else writes to the file.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.writer.hash(bytes);
    }

    /// Hashes the next bytes and writes them.
    ///
    /// # Errors
    /// The answer, when the disk does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Answer> {
        self.writer.write(bytes).map_err(|error| self.target.refusal(&error))
    }

    /// Compares the digest of all that came with the announced one.
    ///
    /// # Errors
    /// 400 when they differ, also when only their spelling does.
    pub fn check(&self) -> Result<(), Answer> {
        self.writer.check().map_err(|error| self.target.refusal(&error))?;
        let got = self.target.digest;
        // A hyphen or upper case names the right blob, but Ollama compares texts.
        if self.target.text == got.to_string() { Ok(()) } else { Err(self.target.mismatch(&got)) }
    }

    /// Makes the blob durable under its name. Gives the request's answer: 201, unless the disk fails.
    pub fn finish(self) -> Answer {
        match self.writer.commit() {
            Ok(()) => Answer::empty(201),
            Err(error) => self.target.refusal(&error),
        }
    }

    /// The answer to an error of somebody else's write.
    pub fn refusal(&self, error: io::Error) -> Answer {
        self.target.refusal(&BlobError::Io(error))
    }
}

impl Target {
    fn refusal(&self, error: &BlobError) -> Answer {
        match error {
            BlobError::Mismatch { got, .. } => self.mismatch(got),
            BlobError::Io(source) => {
                tracing::error!(error = source as &dyn std::error::Error, digest = %self.digest, "a blob was not stored");
                Answer::error(500, &error.to_string())
            }
        }
    }

    fn mismatch(&self, got: &Digest) -> Answer {
        let wanted = &self.text;
        Answer::error(400, &format!("digest mismatch, expected \"{wanted}\", got \"{got}\""))
    }
}

fn parse(text: &str) -> Result<Digest, Answer> {
    text.parse().map_err(|_| Answer::from(ApiError::new(400, "invalid digest format")))
}

/// Whether a blob is there.
pub fn exists(app: Arc<App>, text: &str) -> Outcome {
    match parse(text) {
        Err(answer) => Outcome::Answer(answer),
        Ok(digest) => Outcome::Worker(Box::new(move || {
            let there = app.store.blobs().find(&digest).is_some();
            // Ollama answers a missing blob as an error whose body HEAD leaves out.
            let missing = || Answer::error(404, &format!("blob \"{digest}\" not found"));
            Outcome::Answer(if there { Answer::empty(200) } else { missing() })
        })),
    }
}
