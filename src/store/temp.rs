//! Files that appear whole or not at all, also when the server is killed.
//!
//! A temporary file is locked (flock) for as long as its server works on it. A lock dies with its process, so what can
//! be locked at start is left over from a crash and goes; what another server writes right now stays.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::files::sync_folder;

/// Everyone may read what the store holds.
const MODE: u32 = 0o644;
/// How names of temporary files begin: no blob and no manifest has such a name.
const PREFIX: &str = ".llamero-";

/// A new file under a name that nothing else uses. It is removed when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct TempFile {
    file: File,
    path: Option<PathBuf>,
}

impl TempFile {
    /// Creates one in `folder`. Its name is none that a blob or a manifest could have.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{number}", process::id()));
            let file = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
                // A process with this number died here before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let temp = Self { file, path: Some(path) };
            if temp.is_ours()? {
                return Ok(temp);
            }
        }
    }

    /// Locks the file. `false`: a server that has just started held it for left over, and it is gone.
    fn is_ours(&self) -> io::Result<bool> {
        if let Err(error) = self.file.lock() {
            // A file system without locks: such files are never removed at start.
            tracing::debug!(%error, "a temporary file could not be locked");
        }
        Ok(self.file.metadata()?.nlink() > 0)
    }

    /// The open file, for writes that go another way than [`TempFile::write`].
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies until it is kept.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the file durable under its final name, which it takes over from any file that has it.
    pub(super) fn keep_as(mut self, target: &Path) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(MODE))?;
        self.file.sync_all()?;
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        sync_folder(target.parent().unwrap_or(Path::new("/")))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a temporary file stays behind");
        }
    }
}

/// Whether a file of this name is temporary.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Removes the temporary files in `folder` whose server is gone. Whatever fails is left as it is, with a log line. Gives
/// how many are held by somebody.
pub(super) fn remove_stale(folder: &Path) -> usize {
    let mut held = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return held,
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "left-over files cannot be looked for");
            return held;
        }
    };
    for entry in entries.flatten() {
        if !is_temporary(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        match remove_if_stale(&path) {
            Ok(true) => tracing::info!(path = %path.display(), "removed what a server that is gone left behind"),
            Ok(false) => {
                tracing::debug!(path = %path.display(), "another server writes this file");
                held += 1;
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "a left-over file cannot be removed"),
        }
    }
    held
}

fn remove_if_stale(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Between the two looks the name may have gone to another file: that one has a lock of its own.
    if !fs::symlink_metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|here| there.ino() == here.ino())) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_server_left_goes_and_what_a_living_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!("{PREFIX}1-0"));
        let blob = folder.path().join("sha256-0");
        fs::write(&left, b"half a file").unwrap();
        fs::write(&blob, b"").unwrap();
        let living = TempFile::create(folder.path()).unwrap();
        let of_living = living.path.clone().unwrap();
        assert_eq!(remove_stale(folder.path()), 1);
        assert!(!left.exists() && blob.exists() && of_living.exists());
        drop(living);
        assert!(!of_living.exists());
    }

    /// A server that starts may find a file between its creation and its lock: the creator notices.
    #[test]
    fn a_file_that_was_taken_for_left_over_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}1-1"));
        let temp = TempFile { file: File::create_new(&path).unwrap(), path: Some(path.clone()) };
        assert_eq!(remove_stale(folder.path()), 0);
        assert!(!temp.is_ours().unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(remove_stale(&folder.path().join("nowhere")), 0);
    }
}
