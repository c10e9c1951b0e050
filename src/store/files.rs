//! Bounded reads, stamps that tell of changes, and what disk errors mean.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::limits::STAMP_SETTLE_MS;

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a file of at most `most` bytes, with the stamp of what was read.
pub(super) fn read_bounded(path: &Path, most: u64) -> io::Result<(Vec<u8>, Stamp)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes")));
    }
    Ok((bytes, stamp))
}

/// A disk error in words for a client: what is wrong, and no path of the machine.
pub(super) fn trouble(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::PermissionDenied => "the server has no permission to do that in the model folder",
        io::ErrorKind::FileTooLarge => "files may not become that large here",
        io::ErrorKind::NotFound => "a part of the model folder is missing",
        io::ErrorKind::NotADirectory => "a part of the model folder's path is a file",
        // The system's own words (`Input/output error`): an error of the operating system names no path.
        _ if error.raw_os_error().is_some() => return error.to_string(),
        kind => return kind.to_string(),
    };
    known.to_owned()
}

/// What tells that a file or folder has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Modification time, Unix time in seconds and nanoseconds.
    modified: (i64, i64),
    /// Time of the last change of any kind: this one cannot be set at will.
    changed: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
            inode: metadata.ino(),
        }
    }

    /// Modification time, as `tags` shows it.
    pub(super) fn modified(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let fraction = Duration::from_nanos(nanoseconds.unsigned_abs());
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(whole)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(whole)
        };
        base.and_then(|base| base.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether another change would give another stamp: clocks of file systems tick slowly.
    pub(super) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = self.changed;
        let changed = Duration::from_secs(seconds.max(0) as u64) + Duration::from_nanos(nanoseconds.max(0) as u64);
        now.saturating_sub(changed) > Duration::from_millis(STAMP_SETTLE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_errors_in_words() {
        let rows = [
            (28, "the disk is full"),
            (122, "the disk quota is used up"),
            (30, "the file system is read-only"),
            (13, "the server has no permission to do that in the model folder"),
            (27, "files may not become that large here"),
            (2, "a part of the model folder is missing"),
            (20, "a part of the model folder's path is a file"),
            (5, "Input/output error (os error 5)"),
        ];
        for (number, text) in rows {
            assert_eq!(trouble(&io::Error::from_raw_os_error(number)), text);
        }
        // Words that were made by a program may hold anything.
        assert_eq!(trouble(&io::Error::other("/home/me")), "other error");
    }
}
