//! A model of the store, read and ready to be asked for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::config::limits::{LAYER_TEXT_BYTES, MANIFEST_BYTES};
use crate::model::capabilities::{GoTemplate, Subject};
use crate::model::config::ConfigError;
use crate::model::gguf::{Arrays, Facts, Gguf, GgufError};
use crate::model::manifest::ManifestError;
use crate::model::{Config, Details, Digest, Layer, Manifest, Message, Name, capabilities, json};
use crate::prompt::gotemplate::{ParseError, Template};
use crate::store::abilities::{Abilities, Known};
use crate::store::blobs::Blobs;
use crate::store::files::{Stamp, read_bounded};

/// Why a manifest is no model. For the log.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest is broken.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The configuration is broken.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A blob that it names is not there.
    #[error("blob {0} is missing")]
    Missing(Digest),
    /// A blob cannot be read, or is longer than [`LAYER_TEXT_BYTES`].
    #[error("blob {digest} cannot be read: {source}")]
    Unreadable {
        /// Which.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The weights are no GGUF.
    #[error("blob {digest}: {source}")]
    Gguf {
        /// Which.
        digest: Digest,
        /// Why.
        source: GgufError,
    },
    /// The parameters or the messages are not what they should be.
    #[error("blob {digest} is not valid: {source}")]
    Json {
        /// Which.
        digest: Digest,
        /// Why.
        source: serde_json::Error,
    },
}

/// A model of the store.
#[derive(Debug)]
pub struct Model {
    /// Its name, as it is stored.
    pub name: Name,
    /// The sha256 of its manifest: what `tags` and `ps` call the digest.
    pub digest: Digest,
    /// When its manifest was written.
    pub modified: SystemTime,
    /// Which blobs make it up.
    pub manifest: Manifest,
    /// Its configuration; empty where the manifest names none.
    pub config: Config,
    /// What its weights' header says; `None` for models that run elsewhere or are no GGUF.
    pub facts: Option<Arc<Facts>>,
    /// The GGUF with the weights.
    pub weights: Option<PathBuf>,
    /// GGUFs with encoders for images or sound.
    pub projectors: Vec<PathBuf>,
    /// GGUFs with adapters of the weights.
    pub adapters: Vec<PathBuf>,
    /// Options, as the API has them.
    pub params: Map<String, Value>,
    /// The system message.
    pub system: Option<String>,
    /// The Go template.
    pub template: Option<String>,
    /// What that template can do; `None` where there is none, or it is broken.
    pub go_side: Option<GoSide>,
    /// Why the Go template cannot be used.
    pub template_error: Option<ParseError>,
    /// Whether its projector hears: [`Facts::hears`].
    pub projector_hears: bool,
    /// Messages that every conversation starts with.
    pub messages: Vec<Message>,
    /// The `details` of `tags`.
    pub details: Details,
    /// The `capabilities` of `tags`.
    pub capabilities: Vec<String>,
    abilities: Known,
    /// The manifest file and what it looked like when it was read.
    path: PathBuf,
    stamp: Stamp,
    /// Whether the stamp may be relied on.
    settled: bool,
}

/// What can be told from a Go template without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoSide {
    /// Names of the fields and variables in it, in lower case.
    pub variables: Vec<String>,
    /// Whether it tells the tags around thinking (the behaviour page, section 7.5).
    pub thinks: bool,
}

impl GoSide {
    /// Reads a template.
    fn of(template: &str) -> Result<Self, ParseError> {
        let template = Template::parse(template)?;
        Ok(Self { variables: template.vars().to_vec(), thinks: template.thinking_tags().is_some() })
    }

    /// Whether it fills in what stands between a prompt and a suffix.
    pub fn fills_in(&self) -> bool {
        self.variables.iter().any(|name| name == "suffix")
    }
}

impl Model {
    /// What capabilities and formatter are asked of. `go_templates`: `OLLAMA_GO_TEMPLATE`.
    pub fn subject(&self, go_templates: Option<bool>) -> Subject<'_> {
        let template = self.template.as_deref().map(|text| GoTemplate {
            text,
            variables: self.go_side.as_ref().map_or(&[], |side| side.variables.as_slice()),
            thinks: self.go_side.as_ref().is_some_and(|side| side.thinks),
        });
        Subject {
            config: &self.config,
            facts: self.facts.as_deref(),
            has_projector: !self.projectors.is_empty(),
            projector_hears: self.projector_hears,
            template,
            go_templates,
        }
    }

    /// What it can do, with `OLLAMA_GO_TEMPLATE` as given.
    pub fn abilities(&self, go_templates: Option<bool>) -> &Abilities {
        self.abilities.get(self.subject(go_templates))
    }

    /// Bytes of all its blobs, as `tags` shows them.
    pub fn size(&self) -> u64 {
        self.manifest.size()
    }

    /// Whether it answers prompts: what generate and chat ask first.
    pub fn completes(&self) -> bool {
        self.capabilities.iter().any(|capability| capability == capabilities::COMPLETION)
    }

    /// Whether the manifest file is still the one that was read. One `stat`; a manifest that is only seconds old is
    /// not trusted.
    pub(super) fn is_current(&self) -> bool {
        self.settled && std::fs::metadata(&self.path).is_ok_and(|now| Stamp::of(&now) == self.stamp)
    }

    /// Reads a model. `facts` gives what is known of a GGUF already, or reads it.
    pub(super) fn read(
        name: Name,
        file: ManifestFile,
        blobs: &Blobs,
        mut facts: impl FnMut(&Digest) -> Result<Arc<Facts>, ModelError>,
    ) -> Result<Self, ModelError> {
        let manifest = Manifest::parse(&file.bytes)?;
        let config = match &manifest.config {
            Some(layer) => Config::parse(&read_blob(blobs, layer, MANIFEST_BYTES)?)?,
            None => Config::default(),
        };
        let gguf = manifest.last(Layer::MODEL);
        let known = gguf.map(|layer| facts(&layer.digest)).transpose()?;
        let template = manifest.last(Layer::TEMPLATE).or_else(|| manifest.last(Layer::PROMPT));
        let template = text(blobs, template)?;
        let go_side = template.as_deref().map(GoSide::of).transpose();
        let projector = manifest.layers.iter().find(|layer| layer.media_type == Layer::PROJECTOR);
        let projector = projector.map(|layer| facts(&layer.digest)).transpose()?;
        let mut model = Self {
            weights: gguf.map(|layer| find(blobs, &layer.digest)).transpose()?,
            projectors: find_all(blobs, &manifest, Layer::PROJECTOR)?,
            adapters: find_all(blobs, &manifest, Layer::ADAPTER)?,
            params: parsed(blobs, manifest.last(Layer::PARAMS))?,
            system: text(blobs, manifest.last(Layer::SYSTEM))?,
            template_error: go_side.as_ref().err().cloned(),
            go_side: go_side.unwrap_or_default(),
            abilities: Known::default(),
            projector_hears: projector.is_some_and(|facts| facts.hears),
            template,
            messages: parsed(blobs, manifest.last(Layer::MESSAGES))?,
            details: Details::of(&manifest, &config, known.as_deref()),
            capabilities: Vec::new(),
            facts: known,
            name,
            digest: file.digest,
            modified: file.stamp.modified(),
            manifest,
            config,
            path: file.path,
            stamp: file.stamp,
            settled: file.settled,
        };
        model.capabilities = model.subject(None).listed();
        Ok(model)
    }
}

/// Its licences, in order.
pub(super) fn licenses(blobs: &Blobs, manifest: &Manifest) -> Result<Vec<String>, ModelError> {
    let layers = manifest.layers.iter().filter(|layer| layer.media_type == Layer::LICENSE);
    layers.map(|layer| Ok(text(blobs, Some(layer))?.unwrap_or_default())).collect()
}

/// The bytes of a manifest, and what the file was like when they were read.
pub(super) struct ManifestFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) stamp: Stamp,
    pub(super) settled: bool,
}

impl ManifestFile {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let (bytes, stamp) = read_bounded(path, MANIFEST_BYTES)?;
        let digest = Digest::of(&bytes);
        Ok(Self { path: path.to_owned(), bytes, digest, stamp, settled: stamp.is_settled() })
    }
}

/// Reads the header of a GGUF in the store.
pub(super) fn read_facts(blobs: &Blobs, digest: &Digest) -> Result<Facts, ModelError> {
    let path = find(blobs, digest)?;
    let unreadable = |source| ModelError::Unreadable { digest: *digest, source };
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let gguf = Gguf::read(file, bytes, Arrays::Skip);
    gguf.map(|gguf| Facts::of(&gguf)).map_err(|source| ModelError::Gguf { digest: *digest, source })
}

fn find(blobs: &Blobs, digest: &Digest) -> Result<PathBuf, ModelError> {
    blobs.find(digest).ok_or(ModelError::Missing(*digest))
}

fn find_all(blobs: &Blobs, manifest: &Manifest, media_type: &str) -> Result<Vec<PathBuf>, ModelError> {
    let layers = manifest.layers.iter().filter(|layer| layer.media_type == media_type);
    layers.map(|layer| find(blobs, &layer.digest)).collect()
}

fn read_blob(blobs: &Blobs, layer: &Layer, most: u64) -> Result<Vec<u8>, ModelError> {
    let path = find(blobs, &layer.digest)?;
    let read = read_bounded(&path, most);
    read.map(|(bytes, _)| bytes).map_err(|source| ModelError::Unreadable { digest: layer.digest, source })
}

/// A layer of text. What is not UTF-8 becomes U+FFFD, as in Go's JSON.
fn text(blobs: &Blobs, layer: Option<&Layer>) -> Result<Option<String>, ModelError> {
    let bytes = layer.map(|layer| read_blob(blobs, layer, LAYER_TEXT_BYTES)).transpose()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A layer of JSON; empty where there is none.
fn parsed<T: Default + serde::de::DeserializeOwned>(blobs: &Blobs, layer: Option<&Layer>) -> Result<T, ModelError> {
    let Some(layer) = layer else {
        return Ok(T::default());
    };
    let bytes = read_blob(blobs, layer, LAYER_TEXT_BYTES)?;
    let value = json::or_default(&mut serde_json::Deserializer::from_slice(&bytes));
    value.map_err(|source| ModelError::Json { digest: layer.digest, source })
}
