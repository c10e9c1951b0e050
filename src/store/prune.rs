//! What goes when the server starts: blobs that no manifest names any more (the behaviour page, section 4).
//!
//! A blob that was uploaded a moment ago has no manifest yet, so only what is older than [`PRUNE_AGE_MS`] goes. Whoever
//! uses a blob sets its time. Nothing goes while there is a file among the manifests that we do not understand.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::limits::PRUNE_AGE_MS;
use crate::model::{Digest, Name};
use crate::store::{Store, lock, temp};

impl Store {
    /// Removes old blobs without a manifest, left-overs of downloads among them, and empty folders of manifests. What
    /// cannot be removed stays, with a line in the log.
    pub fn prune(&self) {
        let _writing = self.begin_writing();
        if let Err(error) = self.refresh() {
            return tracing::warn!(%error, "unused blobs stay");
        }
        let (root, used) = {
            let scanner = lock(&self.scanner);
            (scanner.root().to_owned(), scanner.used())
        };
        let (Some(used), Ok(true)) = (used, all_are_names(&root)) else {
            return tracing::warn!("unused blobs stay, because there is a file among the manifests that is none");
        };
        let is_used = |name: &str| name.parse().is_ok_and(|digest: Digest| used.contains(&digest));
        match remove_old(self.blobs.folder(), is_used) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed blobs that no model has"),
            Err(error) => tracing::warn!(%error, "unused blobs stay"),
        }
        remove_empty(&root, 3);
    }
}

/// Removes the files of a folder that are old and not `kept`; tells how many.
fn remove_old(folder: &Path, kept: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kept(&name) || temp::is_temporary(&name) || !is_old_file(&entry).unwrap_or(false) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(path = %entry.path().display(), %error, "an unused blob could not be removed"),
        }
    }
    Ok(removed)
}

fn is_old_file(entry: &DirEntry) -> io::Result<bool> {
    let metadata = entry.metadata()?;
    // A time in the future is as young as can be.
    let age = SystemTime::now().duration_since(metadata.modified()?).unwrap_or_default();
    Ok(metadata.is_file() && age > Duration::from_millis(PRUNE_AGE_MS))
}

/// Whether all files four folders deep have names of models. Ollama prunes nothing where one has not.
fn all_are_names(root: &Path) -> io::Result<bool> {
    fn walk(folder: &Path, parts: &mut Vec<String>) -> io::Result<bool> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            parts.push(entry.file_name().to_string_lossy().into_owned());
            let good = match parts.as_slice() {
                [host, namespace, model, tag] => Name::from_parts(host, namespace, model, tag).is_ok(),
                _ if entry.file_type()?.is_dir() => walk(&entry.path(), parts)?,
                _ => true,
            };
            parts.pop();
            if !good {
                return Ok(false);
            }
        }
        Ok(true)
    }
    walk(root, &mut Vec::new())
}

/// Removes empty folders, `depth` of them deep below `folder`.
fn remove_empty(folder: &Path, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path(), depth);
            // Fails where there is something in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}
