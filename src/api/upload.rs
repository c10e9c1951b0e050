//! `/api/blobs/:digest` (the behaviour page, section 1.6).

use std::sync::Arc;

use super::ollama::error::ApiError;
use super::{Answer, App, Outcome};
use crate::model::Digest;
use crate::store::{BlobError, BlobWriter};

/// A blob on its way into the store. Every method but [`Upload::begin`] blocks: for workers.
pub struct Upload {
    app: Arc<App>,
    /// The digest as the path has it: Ollama compares its text.
    text: String,
    digest: Digest,
    state: State,
}

enum State {
    /// Nothing of the body has come.
    Waiting,
    /// It is written as it comes.
    Writing(Box<BlobWriter>),
    /// The blob is there already; the body is read and dropped.
    Present,
}

impl Upload {
    /// Checks the digest in the path; the store is not touched yet.
    ///
    /// # Errors
    /// 400 when it is no digest.
    pub fn begin(app: &Arc<App>, text: &str) -> Result<Upload, Answer> {
        let digest = parse(text)?;
        Ok(Upload { app: app.clone(), text: text.to_owned(), digest, state: State::Waiting })
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// The answer, when the store cannot take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Answer> {
        if matches!(self.state, State::Waiting) {
            self.state = match self.app.store.blobs().begin(self.digest) {
                Ok(Some(writer)) => State::Writing(Box::new(writer)),
                Ok(None) => State::Present,
                Err(error) => return Err(self.fail(&error)),
            };
        }
        if let State::Writing(writer) = &mut self.state
            && let Err(error) = writer.write(bytes)
        {
            return Err(self.fail(&error));
        }
        Ok(())
    }

    /// The body has ended: 201 when the blob was stored, 200 when it was there.
    pub fn finish(mut self) -> Answer {
        // An empty body has not begun to be written, and its digest is a digest, too.
        if let Err(answer) = self.write(&[]) {
            return answer;
        }
        match std::mem::replace(&mut self.state, State::Waiting) {
            State::Writing(writer) => match writer.commit() {
                // The hyphen, or upper case, names the right blob, but Ollama compares texts.
                Ok(()) if self.text != self.digest.to_string() => {
                    let (wanted, got) = (&self.text, self.digest);
                    Answer::error(400, &format!("digest mismatch, expected \"{wanted}\", got \"{got}\""))
                }
                Ok(()) => Answer::empty(201),
                Err(error) => self.fail(&error),
            },
            State::Present | State::Waiting => Answer::empty(200),
        }
    }

    fn fail(&self, error: &BlobError) -> Answer {
        match error {
            BlobError::Mismatch { got, .. } => {
                let wanted = &self.text;
                Answer::error(400, &format!("digest mismatch, expected \"{wanted}\", got \"{got}\""))
            }
            BlobError::Io(_) => {
                tracing::error!(%error, digest = %self.digest, "a blob could not be stored");
                Answer::error(500, &error.to_string())
            }
        }
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
