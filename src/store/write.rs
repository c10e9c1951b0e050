//! Writing, copying and removing manifests, and removing the blobs that nothing names after that (the behaviour page,
//! sections 1.5, 4 and 6.3).

use std::fs;
use std::io;
use std::path::Path;

use crate::config::limits::MANIFEST_BYTES;
use crate::model::{Digest, Manifest, Name};
use crate::store::files::{read_bounded, sync_folder};
use crate::store::temp::TempFile;
use crate::store::{Store, StoreError, lock};

impl Store {
    /// Gives a model a second name: the manifest's bytes are copied. A model that has that name is replaced.
    ///
    /// # Errors
    /// When the disk fails. `Ok(false)`: there is no model to copy.
    pub fn copy(&self, source: &Name, destination: &Name) -> Result<bool, StoreError> {
        let _writing = self.begin_writing();
        let index = self.refresh()?;
        let Some((from, _)) = lock(&self.scanner).file(source) else { return Ok(false) };
        let to = index.spelling(destination);
        if from == lock(&self.scanner).root().join(to.path()) {
            return Ok(true);
        }
        let (bytes, _) = read_bounded(&from, MANIFEST_BYTES).map_err(StoreError::while_it_is("read"))?;
        self.write_manifest(&to, &bytes).map_err(StoreError::while_it_is("written"))?;
        self.refresh()?;
        Ok(true)
    }

    /// Removes a model, and the blobs that no other one names. Whoever answers with it goes on.
    ///
    /// # Errors
    /// When the disk fails. `Ok(false)`: there is no such model.
    pub fn delete(&self, name: &Name) -> Result<bool, StoreError> {
        let _writing = self.begin_writing();
        self.refresh()?;
        let (root, found) = {
            let scanner = lock(&self.scanner);
            (scanner.root().to_owned(), scanner.file(name))
        };
        let Some((path, blobs)) = found else { return Ok(false) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            removed => removed.map_err(StoreError::while_it_is("written"))?,
        }
        remove_empty_folders(&root, &path);
        self.refresh()?;
        self.remove_unused(&blobs);
        Ok(true)
    }

    /// Puts a manifest in the place of another one, and removes the blobs that only the old one named, unless unused
    /// blobs are to be kept. The caller holds `writing`.
    pub(super) fn replace(&self, name: &Name, manifest: &Manifest) -> Result<(), StoreError> {
        let old = lock(&self.scanner).file(name).map(|(_, blobs)| blobs);
        let bytes = manifest.to_bytes().map_err(io::Error::from).map_err(StoreError::while_it_is("written"))?;
        self.write_manifest(name, &bytes).map_err(StoreError::while_it_is("written"))?;
        self.refresh()?;
        if self.prunes {
            self.remove_unused(&old.unwrap_or_default());
        }
        Ok(())
    }

    /// Removes what a create made before it failed. The caller holds `writing`.
    pub(super) fn take_back(&self, blobs: &[Digest]) {
        // The failure may have come after the manifest got its name.
        match self.refresh() {
            Ok(_) => self.remove_unused(blobs),
            Err(error) => tracing::warn!(%error, "blobs of a create that failed stay"),
        }
    }

    /// Removes those of `blobs` that no manifest names. A manifest that cannot be read may name any blob.
    fn remove_unused(&self, blobs: &[Digest]) {
        let Some(used) = lock(&self.scanner).used() else {
            return tracing::warn!("unused blobs stay, because a manifest cannot be read");
        };
        blobs.iter().filter(|blob| !used.contains(blob)).for_each(|blob| self.blobs.remove(blob));
    }

    fn write_manifest(&self, name: &Name, bytes: &[u8]) -> io::Result<()> {
        let root = lock(&self.scanner).root().to_owned();
        let path = root.join(name.path());
        // Not beside the manifest, where Ollama would take it for a tag.
        let mut file = TempFile::create(&root)?;
        file.write(bytes)?;
        let folders = path.ancestors().skip(1).take(4);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        file.keep_as(&path)?;
        // The folders may be new too.
        folders.skip(1).try_for_each(sync_folder)
    }
}

/// Removes the folders between `root` and a file that has gone, as far as they are empty, and makes that durable.
fn remove_empty_folders(root: &Path, file: &Path) {
    for folder in file.ancestors().skip(1).take_while(|folder| *folder != root) {
        if fs::remove_dir(folder).is_err() {
            // Something else is in it.
            let _ = sync_folder(folder);
            return;
        }
    }
    let _ = sync_folder(root);
}
