//! A blob that another process writes, whose digest nobody knows before it is done.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::store::blobs::{BlobError, Blobs};
use crate::store::temp::TempFile;

/// Bytes that are read and hashed at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// A file in the folder of blobs that has no name yet which means anything. Dropped before [`Draft::keep`], it is gone.
#[derive(Debug)]
pub struct Draft {
    file: TempFile,
}

/// A draft that has become a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// Whether the store did not have it before.
    pub is_new: bool,
}

impl Blobs {
    /// Makes an empty file for somebody else to write to.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn draft(&self) -> Result<Draft, BlobError> {
        Ok(Draft { file: TempFile::create(self.folder())? })
    }
}

impl Draft {
    /// Where it lies: beside the blobs.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Hashes the file and makes it durable under the name of its digest. Nobody may write to it any more. `keep_going` is
    /// asked now and then; after a no the answer is `None`, and nothing is left. Blocks: a second for each GiB and more.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn keep(self, blobs: &Blobs, keep_going: &mut dyn FnMut() -> bool) -> Result<Option<Kept>, BlobError> {
        let Some((digest, bytes)) = hash(File::open(self.path())?, keep_going)? else { return Ok(None) };
        let is_new = blobs.find(&digest).is_none();
        if is_new {
            self.file.keep_as(&blobs.path(&digest))?;
        } else {
            // Somebody is about to use it.
            blobs.touch(&digest);
        }
        Ok(Some(Kept { digest, bytes, is_new }))
    }
}

fn hash(mut file: File, keep_going: &mut dyn FnMut() -> bool) -> io::Result<Option<(Digest, u64)>> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    while keep_going() {
        let read = match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(Some((Digest::from_bytes(hasher.finalize().into()), bytes)));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_draft_becomes_a_blob_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().to_owned());
        let content = vec![7; PIECE_BYTES + 1];
        for is_new in [true, false] {
            let draft = blobs.draft().unwrap();
            fs::write(draft.path(), &content).unwrap();
            let digest = Digest::of(&content);
            let kept = draft.keep(&blobs, &mut || true).unwrap();
            assert_eq!(kept, Some(Kept { digest, bytes: content.len() as u64, is_new }));
            assert_eq!(names(folder.path()), [digest.file_name()]);
        }
    }

    #[test]
    fn nothing_stays_of_a_draft_that_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().to_owned());
        let draft = blobs.draft().unwrap();
        fs::write(draft.path(), vec![0; 3 * PIECE_BYTES]).unwrap();
        let mut asked = 0;
        let mut twice = || {
            asked += 1;
            asked < 3
        };
        assert_eq!(draft.keep(&blobs, &mut twice).unwrap(), None);
        drop(blobs.draft().unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
