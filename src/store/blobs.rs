//! The folder of blobs: files named by the sha256 of their content.

use std::fs::{File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::store::files::trouble;
use crate::store::temp::TempFile;

/// Why a blob was not stored.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The bytes are not those that were announced. The client's fault: 400.
    #[error("digest mismatch, expected \"{expected}\", got \"{got}\"")]
    Mismatch {
        /// What the client announced.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// The disk is full, or something like that.
    #[error("the blob could not be written: {}", trouble(.0))]
    Io(#[from] io::Error),
}

/// The folder of blobs.
#[derive(Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the blob lies, if it is there; also under the name of old times.
    pub fn find(&self, digest: &Digest) -> Option<PathBuf> {
        [digest.file_name(), digest.legacy_file_name()]
            .into_iter()
            .map(|name| self.folder.join(name))
            .find(|path| path.is_file())
    }

    /// Starts to take a blob in; `None`: it is there already, and its bytes need not be read.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn begin(&self, digest: Digest) -> Result<Option<BlobWriter>, BlobError> {
        if self.find(&digest).is_some() {
            // Somebody is about to use it.
            self.touch(&digest);
            return Ok(None);
        }
        let file = TempFile::create(&self.folder)?;
        let target = self.path(&digest);
        Ok(Some(BlobWriter { file, target, hasher: Sha256::new(), expected: digest }))
    }

    /// Stores a small blob that we made ourselves; `true`: it is new.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<(Digest, bool), BlobError> {
        let digest = Digest::of(bytes);
        let Some(mut writer) = self.begin(digest)? else {
            return Ok((digest, false));
        };
        writer.write(bytes)?;
        writer.commit()?;
        Ok((digest, true))
    }

    /// Sets the blob's time to now: Ollama removes old blobs that no manifest names when it starts.
    pub(super) fn touch(&self, digest: &Digest) {
        let times = FileTimes::new().set_modified(SystemTime::now());
        let touched = self.find(digest).map(|path| File::open(path).and_then(|file| file.set_times(times)));
        if let Some(Err(error)) = touched {
            tracing::debug!(%digest, %error, "the time of a blob could not be set");
        }
    }

    /// Removes a blob under both of its names. It may be gone already.
    pub(super) fn remove(&self, digest: &Digest) {
        while let Some(path) = self.find(digest) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an unused blob could not be removed");
                return;
            }
        }
    }

    /// The folder itself, for files on their way in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the blob lies once it is there.
    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.file_name())
    }
}

/// A blob on its way in: hashed as it is written. Dropped before [`BlobWriter::commit`], it leaves nothing behind.
/// Several writers of one blob do not disturb each other.
///
/// Hashing and writing block: call it on a worker. Who writes to the file by a ring of its own only hashes here.
#[derive(Debug)]
pub struct BlobWriter {
    file: TempFile,
    target: PathBuf,
    hasher: Sha256,
    expected: Digest,
}

impl BlobWriter {
    /// Hashes the next bytes and appends them to the file.
    ///
    /// # Errors
    /// When they cannot be written; drop the writer then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.hash(bytes);
        Ok(self.file.write(bytes)?)
    }

    /// Hashes the next bytes, which somebody else writes to [`BlobWriter::file`] at their place.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Another handle of the file that the blob is written to, empty at first.
    ///
    /// # Errors
    /// When the process has too many files open.
    pub fn file(&self) -> Result<File, BlobError> {
        Ok(self.file.file().try_clone()?)
    }

    /// Compares the digest of what was hashed so far with the announced one. Takes microseconds.
    ///
    /// # Errors
    /// When they differ; drop the writer then.
    pub fn check(&self) -> Result<(), BlobError> {
        let got = Digest::from_bytes(self.hasher.clone().finalize().into());
        let expected = self.expected;
        if got == expected { Ok(()) } else { Err(BlobError::Mismatch { expected, got }) }
    }

    /// Compares the digest and makes the blob durable under its name.
    ///
    /// # Errors
    /// When the bytes were others than announced, or the disk fails. No blob is there then, unless somebody else
    /// stored it, or only the last step failed, which makes its name durable.
    pub fn commit(self) -> Result<(), BlobError> {
        self.check()?;
        Ok(self.file.keep_as(&self.target)?)
    }
}
