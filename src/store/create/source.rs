//! What a new model starts from: uploaded files, or the layers of another model (the behaviour page, section 6.2).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::gguf::{Facts, MAGIC};
use crate::model::name::{NameError, Requested, Source};
use crate::model::{Config, Digest, Layer};
use crate::store::create::weights::{self, Tools, Weights};
use crate::store::create::{CreateError, CreateRequest, Listener, Step, layers};
use crate::store::{Model, Store};

/// What a new model starts from.
pub(super) struct Base {
    /// The layers, in order.
    pub(super) layers: Vec<Layer>,
    /// What the header of the weights says; `None`: there is none that we can read.
    pub(super) facts: Option<Arc<Facts>>,
    /// The configuration of the model that it is made from.
    pub(super) config: Option<Config>,
    /// The options of that model.
    pub(super) params: Map<String, Value>,
    /// The blob of a layer that this create made.
    pub(super) made: Option<Digest>,
}

/// Finds what the request names, and quantizes it if it asks for that.
///
/// # Errors
/// When it is not here, broken, or something that is not supported yet.
pub(super) fn base(
    store: &Store,
    request: &CreateRequest,
    tools: &dyn Tools,
    listener: &mut dyn Listener,
) -> Result<Base, CreateError> {
    let mut base = match (&request.from, &request.files) {
        (from, _) if !from.is_empty() => of_model(store, from, listener)?,
        (_, Some(files)) => of_files(store, files, tools, listener)?,
        _ => return Err(CreateError::NoSource),
    };
    let quantization = if request.quantize.is_empty() { &request.quantization } else { &request.quantize };
    if !quantization.is_empty() {
        weights::quantize(store, &mut base, quantization, tools, listener)?;
    }
    Ok(base)
}

/// The layers of another model.
fn of_model(store: &Store, from: &str, listener: &mut dyn Listener) -> Result<Base, CreateError> {
    let requested: Requested = from.parse().map_err(|error| match error {
        NameError::Empty => NameError::Invalid,
        error => error,
    })?;
    if requested.source == Source::Cloud {
        return Err(CreateError::Unsupported("a model that runs elsewhere ('from')"));
    }
    let Some(model) = store.resolve(&requested.name)? else {
        listener.tell(Step::new("pulling manifest"));
        return Err(CreateError::NotHere(requested.name));
    };
    if model.config.remote_host.is_some() {
        return Err(CreateError::Unsupported("a model that runs elsewhere ('from')"));
    }
    Ok(inherited(&model))
}

fn inherited(model: &Model) -> Base {
    let layers =
        model.manifest.layers.iter().map(|layer| Layer { from: Some(model.name.to_string()), ..layer.clone() });
    Base {
        layers: layers.collect(),
        facts: model.facts.clone(),
        config: Some(model.config.clone()),
        params: model.params.clone(),
        made: None,
    }
}

/// The one model among the files. Its blob becomes the layer as it is: nothing is copied.
fn of_files(
    store: &Store,
    files: &BTreeMap<String, String>,
    tools: &dyn Tools,
    listener: &mut dyn Listener,
) -> Result<Base, CreateError> {
    let ends = |end: &str| files.keys().any(|path| path.ends_with(end));
    if ends(".safetensors") {
        return Err(CreateError::Unsupported("converting safetensors"));
    }
    if !ends(".gguf") && !files.values().any(|digest| is_gguf(store, digest)) {
        return Err(CreateError::UnknownType);
    }
    let mut found: Vec<(Digest, Weights)> = Vec::new();
    for (path, digest) in files {
        listener.tell(Step::new("parsing GGUF"));
        let digest = digest.parse().map_err(|_| CreateError::Digest)?;
        tracing::debug!(path, %digest, "a file of a new model");
        found.push((digest, weights::read(store, digest)?));
    }
    let mut found = found.into_iter();
    let (Some((digest, weights)), None) = (found.next(), found.next()) else {
        return Err(CreateError::Unsupported("a model of more than one file"));
    };
    let facts = weights::admit(digest, &weights, tools, listener)?;
    Ok(Base {
        layers: vec![layers::layer(Layer::MODEL, digest, weights.bytes)],
        facts: Some(Arc::new(facts)),
        config: None,
        params: Map::new(),
        made: None,
    })
}

/// Whether the blob of that digest begins as a GGUF does.
fn is_gguf(store: &Store, digest: &str) -> bool {
    let path = digest.parse().ok().and_then(|digest| store.blobs.find(&digest));
    path.is_some_and(|path| starts_with_magic(&path).unwrap_or(false))
}

fn starts_with_magic(path: &Path) -> io::Result<bool> {
    let mut start = [0; MAGIC.len()];
    File::open(path)?.read_exact(&mut start)?;
    Ok(start == MAGIC)
}
