//! `POST /api/create`: makes a model of one GGUF that was uploaded as a blob (the behaviour page, section 6).
//!
//! The blob stays as it is and keeps its digest; Ollama rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::model::gguf::{Arrays, Facts, Gguf, GgufError, MAGIC, Value as GgufValue};
use crate::model::name::NameError;
use crate::model::{Config, Digest, Layer, Manifest, Message, Name, json};
use crate::store::blobs::BlobError;
use crate::store::files::{sync_folder, trouble};
use crate::store::temp::TempFile;
use crate::store::{Store, StoreError, lock};

/// Why no model was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// `model` is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A path in `files` is absolute, or leads upwards.
    #[error("file path must be relative")]
    Path,
    /// A digest in `files` is none.
    #[error("invalid digest format")]
    Digest,
    /// There is nothing to make it of.
    #[error("neither 'from' or 'files' was specified")]
    NoSource,
    /// Neither its name nor its first bytes tell what the file is.
    #[error("unknown type")]
    UnknownType,
    /// Its name says GGUF, its first bytes do not.
    #[error("supplied file was not in GGUF format")]
    NotGguf,
    /// The file was not uploaded before.
    #[error("the blob {0} does not exist: upload it first")]
    NoBlob(Digest),
    /// The GGUF is damaged.
    #[error(transparent)]
    Gguf(GgufError),
    /// We cannot do that yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// The blob is there and cannot be read.
    #[error("the blob could not be read: {}", trouble(.0))]
    Read(io::Error),
    /// A layer could not be written.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The manifest could not be written, or the folder not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be put into JSON.
    #[error("a layer could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl CreateError {
    /// The HTTP status, where nothing was sent yet: 400 for what the client got wrong, 500 for our disk.
    pub fn status(&self) -> u16 {
        match self {
            Self::Read(_) | Self::Blob(_) | Self::Store(_) | Self::Json(_) => 500,
            _ => 400,
        }
    }
}

/// The request's body (the behaviour page, section 6.1).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// Name of the new model.
    #[serde(deserialize_with = "json::or_default")]
    pub model: String,
    /// The same, as it was called before.
    #[serde(deserialize_with = "json::or_default")]
    pub name: String,
    /// Whether to tell the steps, or the outcome only; `None`: yes.
    pub stream: Option<bool>,
    /// Paths, as the client has them, and digests.
    pub files: Option<BTreeMap<String, String>>,
    /// The system message.
    #[serde(deserialize_with = "json::or_default")]
    pub system: String,
    /// Licences.
    #[serde(deserialize_with = "json::or_default")]
    pub license: Licenses,
    /// Options. Not checked, as in Ollama.
    #[serde(deserialize_with = "json::or_default")]
    pub parameters: Map<String, Value>,
    /// Messages that every conversation starts with.
    #[serde(deserialize_with = "json::or_default")]
    pub messages: Vec<Message>,
    /// Name of a model to start from. This and all that follows is refused: see [`CreateRequest::check`].
    pub from: Value,
    /// Adapters of the weights, as `files`.
    pub adapters: Value,
    /// A draft model, as `files`.
    pub draft_files: Value,
    /// Quantization of the draft model.
    pub draft_quantize: Value,
    /// A Go template.
    pub template: Value,
    /// Quantization to convert the weights to.
    pub quantize: Value,
    /// The same, by another name.
    pub quantization: Value,
    /// A built-in renderer.
    pub renderer: Value,
    /// A built-in parser.
    pub parser: Value,
    /// Oldest version that runs it.
    pub requires: Value,
    /// Server of a model that runs elsewhere.
    pub remote_host: Value,
    /// Overrides for what the files say.
    pub info: Value,
}

/// One licence or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Licenses(pub Vec<String>);

impl<'de> Deserialize<'de> for Licenses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("license must be a string or an array of strings");
        let texts = match Value::deserialize(deserializer)? {
            Value::String(text) if text.is_empty() => return Ok(Self::default()),
            one @ Value::String(_) => vec![one],
            Value::Array(texts) => texts,
            _ => return Err(wrong()),
        };
        let texts = texts.into_iter().map(|text| match text {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

/// A request that has passed the checks which come before anything is streamed.
#[derive(Debug)]
pub struct Plan {
    name: Name,
    request: CreateRequest,
}

impl CreateRequest {
    /// Checks what can be checked without the store, in Ollama's order.
    ///
    /// # Errors
    /// A path, digest or name that is not valid, or something that is not supported yet.
    pub fn check(self) -> Result<Plan, CreateError> {
        for (path, digest) in self.files.iter().flatten() {
            if !is_relative(path) {
                return Err(CreateError::Path);
            }
            if digest.is_empty() {
                return Err(CreateError::Digest);
            }
        }
        let name = if self.model.is_empty() { &self.name } else { &self.model };
        let name = name.parse()?;
        match self.not_yet() {
            Some(what) => Err(CreateError::Unsupported(what)),
            None => Ok(Plan { name, request: self }),
        }
    }

    /// A field that we cannot honour. Quietly leaving it out would make another model than was asked for.
    fn not_yet(&self) -> Option<&'static str> {
        let fields = [
            (&self.from, "making a model from another one ('from')"),
            (&self.adapters, "an adapter ('adapters')"),
            (&self.draft_files, "a draft model ('draft_files')"),
            (&self.draft_quantize, "a draft model ('draft_quantize')"),
            (&self.template, "a template ('template')"),
            (&self.quantize, "quantizing ('quantize')"),
            (&self.quantization, "quantizing ('quantization')"),
            (&self.renderer, "a built-in renderer ('renderer')"),
            (&self.parser, "a built-in parser ('parser')"),
            (&self.requires, "a least version ('requires')"),
            (&self.remote_host, "a model that runs elsewhere ('remote_host')"),
            (&self.info, "changing what the files say ('info')"),
        ];
        fields.into_iter().find(|(value, _)| !is_empty(value)).map(|(_, what)| what)
    }
}

impl Plan {
    /// Makes the model and tells each step in Ollama's words (the behaviour page, section 6.5). Blocks; for a worker.
    /// `say` must not wait for the client: other models wait to be written.
    ///
    /// # Errors
    /// When the file is missing, is no GGUF that we take, or the disk fails. The old model of that name stays then.
    pub fn run(self, store: &Store, say: &mut dyn FnMut(&str)) -> Result<(), CreateError> {
        let (file, digest) = self.source(store)?;
        say("parsing GGUF");
        let digest: Digest = digest.parse().map_err(|_| CreateError::Digest)?;
        tracing::debug!(file, %digest, "creating a model");
        let (facts, size) = read_model(store, digest, say)?;

        let _writing = lock(&store.writing);
        let name = store.refresh()?.spelling(&self.name);
        store.blobs.touch(&digest);
        if store.blobs.find(&digest).is_none() {
            return Err(CreateError::NoBlob(digest));
        }
        say(&format!("using existing layer {digest}"));
        let mut layers = vec![layer(Layer::MODEL, digest, size)];
        for (media_type, bytes) in self.texts()? {
            layers.push(put(store, media_type, &bytes, say)?);
        }
        let config = put(store, Layer::CONFIG, &json::line(&Config::of_gguf(&facts))?, &mut |_| {})?;
        say("writing manifest");
        let manifest = Manifest::new(config, layers);
        store.replace(&name, &manifest)?;
        say("success");
        Ok(())
    }

    /// The one file, and its digest as the client wrote it.
    fn source(&self, store: &Store) -> Result<(&str, &str), CreateError> {
        let files = self.request.files.as_ref().ok_or(CreateError::NoSource)?;
        let ends = |end: &str| files.keys().any(|path| path.ends_with(end));
        if ends(".safetensors") {
            return Err(CreateError::Unsupported("converting safetensors"));
        }
        let is_gguf = |digest: &String| {
            let path = digest.parse().ok().and_then(|digest| store.blobs.find(&digest));
            path.is_some_and(|path| starts_with_magic(&path).unwrap_or(false))
        };
        if !ends(".gguf") && !files.values().any(is_gguf) {
            return Err(CreateError::UnknownType);
        }
        match files.iter().next() {
            Some((path, digest)) if files.len() == 1 => Ok((path, digest)),
            _ => Err(CreateError::Unsupported("more than one file")),
        }
    }

    /// The layers beside the weights, in Ollama's order.
    fn texts(&self) -> Result<Vec<(&'static str, Vec<u8>)>, CreateError> {
        let CreateRequest { system, license, parameters, messages, .. } = &self.request;
        let mut texts = Vec::new();
        if !system.is_empty() {
            texts.push((Layer::SYSTEM, system.clone().into_bytes()));
        }
        for license in &license.0 {
            texts.push((Layer::LICENSE, license.clone().into_bytes()));
        }
        if !parameters.is_empty() {
            let sorted = json::sorted(Value::Object(parameters.clone()));
            texts.push((Layer::PARAMS, json::line(&sorted)?));
        }
        if !messages.is_empty() {
            texts.push((Layer::MESSAGES, json::line(messages)?));
        }
        Ok(texts)
    }
}

impl Store {
    /// Puts a manifest in the place of another one, and removes the blobs that only the old one named.
    /// The caller holds `writing`.
    fn replace(&self, name: &Name, manifest: &Manifest) -> Result<(), CreateError> {
        let old = self.index().find(name);
        let bytes = manifest.to_bytes()?;
        self.write_manifest(name, &bytes).map_err(StoreError::while_it_is("written"))?;
        let index = self.refresh()?;
        let Some(old) = old else {
            return Ok(());
        };
        // A manifest that cannot be read may name any blob.
        if lock(&self.scanner).has_broken() {
            tracing::warn!("unused blobs stay, because a manifest cannot be read");
            return Ok(());
        }
        let models = index.list();
        let used: BTreeSet<_> =
            models.iter().flat_map(|model| model.manifest.blobs()).map(|blob| blob.digest).collect();
        for blob in old.manifest.blobs().filter(|blob| !used.contains(&blob.digest)) {
            self.blobs.remove(&blob.digest);
        }
        Ok(())
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

/// Reads the GGUF and makes sure that it is a whole model.
fn read_model(store: &Store, digest: Digest, say: &mut dyn FnMut(&str)) -> Result<(Facts, u64), CreateError> {
    let path = store.blobs.find(&digest).ok_or(CreateError::NoBlob(digest))?;
    let file = File::open(path).map_err(CreateError::Read)?;
    let bytes = file.metadata().map_err(CreateError::Read)?.len();
    let gguf = Gguf::read(file, bytes, Arrays::Skip).map_err(|error| match error {
        GgufError::NotGguf => CreateError::NotGguf,
        GgufError::Io(error) => CreateError::Read(error),
        error => CreateError::Gguf(error),
    })?;
    if let Some(what) = not_a_model(&gguf) {
        return Err(CreateError::Unsupported(what));
    }
    say("verifying conversion");
    gguf.check_tensors(bytes).map_err(CreateError::Gguf)?;
    Ok((Facts::of(&gguf), bytes))
}

/// What a GGUF is that is no model by itself (the behaviour page, section 6.2).
fn not_a_model(gguf: &Gguf) -> Option<&'static str> {
    let kind = gguf.get("general.type").and_then(GgufValue::as_str).unwrap_or("model");
    let has = |key| gguf.get_own(key).is_some();
    if kind == "adapter" {
        Some("a GGUF with an adapter")
    } else if matches!(kind, "projector" | "mmproj")
        || gguf.architecture() == "clip"
        || (has("vision.block_count") && !has("block_count"))
    {
        Some("a GGUF with a projector")
    } else if gguf.get("split.count").and_then(GgufValue::as_u64).unwrap_or(0) > 1 {
        Some("a GGUF that is split into several files")
    } else {
        None
    }
}

/// Stores a layer and says so.
fn put(store: &Store, media_type: &str, bytes: &[u8], say: &mut dyn FnMut(&str)) -> Result<Layer, CreateError> {
    let (digest, new) = store.blobs.put(bytes)?;
    let what = if new { "creating new" } else { "using existing" };
    say(&format!("{what} layer {digest}"));
    Ok(layer(media_type, digest, bytes.len() as u64))
}

fn layer(media_type: &str, digest: Digest, size: u64) -> Layer {
    Layer { media_type: media_type.to_owned(), digest, size, from: None, name: None }
}

/// Whether the first bytes are those of a GGUF.
fn starts_with_magic(path: &Path) -> io::Result<bool> {
    let mut start = [0; MAGIC.len()];
    File::open(path)?.read_exact(&mut start)?;
    Ok(start == MAGIC)
}

/// Go's `fs.ValidPath`: parts between single slashes, none of them `.` or `..`; or `.` alone.
fn is_relative(path: &str) -> bool {
    path == "." || path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a field is as good as absent.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}
