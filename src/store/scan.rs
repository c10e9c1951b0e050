//! Finds out which manifests there are, without reading again what has not changed.
//!
//! Manifests lie exactly four folders deep: `manifests/<host>/<namespace>/<model>/<tag>`. A folder whose stamp is the
//! same has the same names in it; a file whose stamp is the same has the same bytes. A stamp that is only seconds old
//! is not relied on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::config::limits::MANIFESTS_MAX;
use crate::model::gguf::Facts;
use crate::model::{Digest, Manifest, Name};
use crate::store::blobs::Blobs;
use crate::store::files::Stamp;
use crate::store::index::Index;
use crate::store::model::{ManifestFile, Model, ModelError, read_facts};

/// Remembers the last scan.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The folder of manifests.
    root: PathBuf,
    folders: HashMap<PathBuf, Folder>,
    entries: BTreeMap<Name, Entry>,
    /// Headers that have been read, for as long as a model has them.
    facts: HashMap<Digest, Weak<Facts>>,
}

/// What is in a folder.
#[derive(Debug, Clone)]
struct Folder {
    stamp: Stamp,
    settled: bool,
    names: Arc<[String]>,
}

/// What became of a manifest file.
#[derive(Debug)]
struct Entry {
    stamp: Stamp,
    settled: bool,
    /// `None`: it cannot be read, which the log says.
    model: Option<Arc<Model>>,
    /// The blobs that it names. `None`: it is no manifest, so nobody knows.
    blobs: Option<Vec<Digest>>,
}

impl Scanner {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, folders: HashMap::new(), entries: BTreeMap::new(), facts: HashMap::new() }
    }

    /// The folder of manifests.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Every blob that a manifest names; `None` while there is a manifest file of which nobody knows what it names.
    pub(super) fn used(&self) -> Option<HashSet<Digest>> {
        let mut used = HashSet::new();
        for entry in self.entries.values() {
            used.extend(entry.blobs.as_ref()?);
        }
        Some(used)
    }

    /// The manifest file of that name, readable or not, and the blobs that it names: spelled the same if there is one,
    /// else with other case.
    pub(super) fn file(&self, name: &Name) -> Option<(PathBuf, Vec<Digest>)> {
        let fold = name.fold();
        let other_case = || self.entries.iter().find(|(known, _)| known.fold() == fold);
        let (name, entry) = self.entries.get_key_value(name).or_else(other_case)?;
        Some((self.root.join(name.path()), entry.blobs.clone().unwrap_or_default()))
    }

    /// Looks at every manifest. `None`: all is as it was.
    ///
    /// # Errors
    /// When the folder of manifests cannot be read.
    pub(super) fn scan(&mut self, blobs: &Blobs) -> io::Result<Option<Index>> {
        let files = self.files()?;
        let mut changed = false;
        let mut entries = BTreeMap::new();
        for (name, path) in files {
            let before = self.entries.remove(&name);
            let was = before.as_ref().and_then(|entry| entry.model.clone());
            let Some(entry) = self.entry(&name, &path, before, blobs) else {
                changed |= was.is_some();
                continue;
            };
            changed |= match (&was, &entry.model) {
                (Some(was), Some(is)) => !Arc::ptr_eq(was, is),
                (was, is) => was.is_some() || is.is_some(),
            };
            entries.insert(name, entry);
        }
        // What is left has no file any more.
        changed |= self.entries.values().any(|entry| entry.model.is_some());
        self.entries = entries;
        self.facts.retain(|_, facts| facts.strong_count() > 0);
        let models = self.entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.model.clone()?)));
        Ok(changed.then(|| Index::new(models.collect())))
    }

    /// Looks at one manifest file; `None`: it has just gone, or is no file.
    fn entry(&mut self, name: &Name, path: &Path, before: Option<Entry>, blobs: &Blobs) -> Option<Entry> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let stamp = Stamp::of(&metadata);
        let (known, before) = match before {
            Some(entry) if entry.stamp == stamp && entry.settled && entry.model.is_some() => return Some(entry),
            Some(entry) => (entry.stamp == stamp, entry.model),
            None => (false, None),
        };
        let broken = |stamp, blobs, error: &dyn fmt::Display| {
            if !known {
                tracing::warn!(model = %name, %error, "a manifest is left out");
            }
            Entry { stamp, settled: false, model: None, blobs }
        };
        let file = match ManifestFile::read(path) {
            Ok(file) => file,
            Err(error) => return Some(broken(stamp, None, &error)),
        };
        let (stamp, settled) = (file.stamp, file.settled);
        let named = Manifest::parse(&file.bytes).ok();
        let named = named.map(|manifest| manifest.blobs().map(|layer| layer.digest).collect());
        // Read again only because the stamp was too young: the model need not be made again once that has passed.
        let same = before.filter(|model| model.digest == file.digest && known && !settled);
        let model = match same {
            Some(model) => Ok(model),
            None => self.model(name, file, blobs).map(Arc::new),
        };
        Some(match model {
            Ok(model) => Entry { stamp, settled, model: Some(model), blobs: named },
            Err(error) => broken(stamp, named, &error),
        })
    }

    fn model(&mut self, name: &Name, file: ManifestFile, blobs: &Blobs) -> Result<Model, ModelError> {
        Model::read(name.clone(), file, blobs, |digest| {
            if let Some(known) = self.facts.get(digest).and_then(Weak::upgrade) {
                return Ok(known);
            }
            let facts = Arc::new(read_facts(blobs, digest)?);
            self.facts.insert(*digest, Arc::downgrade(&facts));
            Ok(facts)
        })
    }

    /// Every file four folders deep that has a valid name.
    fn files(&mut self) -> io::Result<Vec<(Name, PathBuf)>> {
        let folders = std::mem::take(&mut self.folders);
        let mut walk = Walk { before: folders, now: HashMap::new(), looked_at: 0 };
        let mut files = Vec::new();
        for host in walk.names(&self.root)?.iter() {
            let folder = self.root.join(host);
            for namespace in walk.names_if_folder(&folder).iter() {
                let folder = folder.join(namespace);
                for model in walk.names_if_folder(&folder).iter() {
                    let folder = folder.join(model);
                    for tag in walk.names_if_folder(&folder).iter() {
                        if let Ok(name) = Name::from_parts(host, namespace, model, tag) {
                            files.push((name, folder.join(tag)));
                        } else {
                            tracing::debug!(?folder, tag, "a file is no manifest: its name is not valid");
                        }
                    }
                }
            }
        }
        self.folders = walk.now;
        Ok(files)
    }
}

/// One walk through the folders, beside what the last one found.
struct Walk {
    before: HashMap<PathBuf, Folder>,
    now: HashMap<PathBuf, Folder>,
    looked_at: usize,
}

impl Walk {
    /// The names in a folder; none if it is no folder, or cannot be read.
    fn names_if_folder(&mut self, folder: &Path) -> Arc<[String]> {
        self.names(folder).unwrap_or_else(|error| {
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                tracing::warn!(folder = %folder.display(), %error, "a folder of manifests cannot be read");
            }
            Arc::default()
        })
    }

    fn names(&mut self, path: &Path) -> io::Result<Arc<[String]>> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let stamp = Stamp::of(&metadata);
        let folder = match self.before.remove(path) {
            Some(folder) if folder.settled && folder.stamp == stamp => folder,
            _ => Folder { stamp, settled: stamp.is_settled(), names: read_names(path)? },
        };
        let room = MANIFESTS_MAX.saturating_sub(self.looked_at);
        self.looked_at += folder.names.len();
        if folder.names.len() > room {
            tracing::warn!(folder = %path.display(), "there are more than {MANIFESTS_MAX} manifests: some are left out");
            return Ok(folder.names.iter().take(room).cloned().collect());
        }
        let names = Arc::clone(&folder.names);
        self.now.insert(path.to_owned(), folder);
        Ok(names)
    }
}

/// The names in a folder, sorted. What is not UTF-8 is no part of a model's name; neither is a hidden file.
fn read_names(path: &Path) -> io::Result<Arc<[String]>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)?.take(MANIFESTS_MAX) {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names.into())
}
