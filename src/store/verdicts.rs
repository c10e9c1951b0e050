//! What is remembered of blobs besides their bytes: one small file for each, in a folder that Ollama does not look into.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::limits::VERDICT_BYTES;
use crate::model::Digest;
use crate::store::blobs::Blobs;
use crate::store::files::read_bounded;
use crate::store::temp::TempFile;

/// Below the model folder, beside `blobs` and `manifests`.
const FOLDER: &str = "llamero/verdicts";

/// Verdicts on blobs, by their digests. The store keeps the bytes and does not know what they mean.
#[derive(Debug)]
pub struct Verdicts {
    folder: PathBuf,
}

impl Verdicts {
    /// Opens the folder below `root`, which need not be there. Verdicts on blobs that are gone go, too.
    pub(super) fn open(root: &Path, blobs: &Blobs) -> Self {
        let folder = root.join(FOLDER);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let digest = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if digest.is_some_and(|digest| blobs.find(&digest).is_none()) {
                // One that cannot be removed says nothing wrong.
                let _ = fs::remove_file(entry.path());
            }
        }
        Self { folder }
    }

    /// Where they lie; need not be there.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was kept about a blob. One that cannot be read is as good as none.
    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let (bytes, _) = read_bounded(&self.path(digest), VERDICT_BYTES).ok()?;
        Some(bytes)
    }

    /// Keeps this about a blob, in the place of what was there.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = TempFile::create(&self.folder)?;
        file.write(bytes)?;
        file.keep_as(&self.path(digest))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_last_as_long_as_their_blobs() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(root.path().to_owned());
        let (kept, gone) = (blobs.put(b"kept").unwrap().0, Digest::of(b"gone"));
        let verdicts = Verdicts::open(root.path(), &blobs);
        assert_eq!(verdicts.get(&kept), None);
        for digest in [&kept, &gone] {
            verdicts.put(digest, b"old").unwrap();
            verdicts.put(digest, b"new").unwrap();
        }
        assert_eq!(verdicts.get(&gone).as_deref(), Some(&b"new"[..]));
        let verdicts = Verdicts::open(root.path(), &blobs);
        assert_eq!(verdicts.get(&kept).as_deref(), Some(&b"new"[..]));
        assert_eq!(verdicts.get(&gone), None);
        fs::write(verdicts.path(&kept), vec![b' '; VERDICT_BYTES as usize + 1]).unwrap();
        assert_eq!(verdicts.get(&kept), None);
    }
}
