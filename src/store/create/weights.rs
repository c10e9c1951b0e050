//! The one place of a create where weights are tried out and converted.
//!
//! [`admit`] is asked about every GGUF that is new here, [`quantize`] where the request names a type. Running strangers'
//! weights through llama.cpp is not this process's work: whoever starts the create brings the [`Tools`] for it.

use std::fs::File;
use std::sync::Arc;

use crate::convert::{Kind, KindError};
use crate::model::gguf::{Arrays, Facts, Gguf, GgufError, Value};
use crate::model::{Digest, Layer};
use crate::store::Store;
use crate::store::create::source::Base;
use crate::store::create::{CreateError, Listener, Step, layers};

/// What is done to weights in a process of their own. Both block, and end early when nobody listens any more.
pub trait Tools {
    /// Makes sure that weights can be loaded.
    ///
    /// # Errors
    /// When they cannot, or nobody can tell.
    fn probe(&self, weights: Digest, listener: &mut dyn Listener) -> Result<(), CreateError>;

    /// Makes a blob with the same weights in another type, and tells how far that is as steps like `step`.
    ///
    /// # Errors
    /// When that fails; nothing is left of it then.
    fn quantize(
        &self,
        weights: Digest,
        kind: Kind,
        step: &Step,
        listener: &mut dyn Listener,
    ) -> Result<Converted, CreateError>;
}

/// Weights of another type.
#[derive(Debug)]
pub struct Converted {
    /// Their blob.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// Whether the store did not have it before.
    pub is_new: bool,
    /// What its header says.
    pub facts: Facts,
}

/// What Ollama gives as the digest of steps that tell how far a conversion is.
const NO_DIGEST: &str = "0000000000000000000";

/// The header of a GGUF, and the length of its file.
pub(super) struct Weights {
    gguf: Gguf,
    pub(super) bytes: u64,
}

/// Reads the header of an uploaded file.
///
/// # Errors
/// When it was not uploaded, is no GGUF, or one that is no model by itself.
pub(super) fn read(store: &Store, digest: Digest) -> Result<Weights, CreateError> {
    let path = store.blobs.find(&digest).ok_or(CreateError::NoBlob(digest))?;
    let file = File::open(path).map_err(CreateError::Read)?;
    let bytes = file.metadata().map_err(CreateError::Read)?.len();
    let gguf = Gguf::read(file, bytes, Arrays::Skip).map_err(|error| match error {
        GgufError::NotGguf => CreateError::NotGguf,
        GgufError::Io(error) => CreateError::Read(error),
        error => CreateError::Gguf(error),
    })?;
    match not_a_model(&gguf) {
        Some(what) => Err(CreateError::Unsupported(what)),
        None => Ok(Weights { gguf, bytes }),
    }
}

/// Makes sure that weights which are new here can be loaded.
///
/// # Errors
/// When they cannot: what is wrong with them.
pub(super) fn admit(
    digest: Digest,
    weights: &Weights,
    tools: &dyn Tools,
    listener: &mut dyn Listener,
) -> Result<Facts, CreateError> {
    listener.tell(Step::new("verifying conversion"));
    weights.gguf.check_model(weights.bytes).map_err(CreateError::Gguf)?;
    tools.probe(digest, listener)?;
    Ok(Facts::of(&weights.gguf))
}

/// Puts weights of another type in the place of those in `base`, unless they have it already (section 6.4).
///
/// # Errors
/// When there is no such type, the weights are quantized already, or the conversion fails.
pub(super) fn quantize(
    store: &Store,
    base: &mut Base,
    wanted: &str,
    tools: &dyn Tools,
    listener: &mut dyn Listener,
) -> Result<(), CreateError> {
    let kind: Kind = wanted.parse()?;
    let weights = base.layers.iter_mut().rfind(|layer| layer.media_type == Layer::MODEL);
    let (Some(layer), Some(facts)) = (weights, &base.facts) else { return Err(KindError::Source.into()) };
    if !kind.differs_from(facts.file_type)? {
        return Ok(());
    }
    let status = format!("quantizing {} model to {kind}", facts.file_type);
    let step = Step { digest: NO_DIGEST.to_owned(), ..Step::new(status) };
    let made = tools.quantize(layer.digest, kind, &step, listener)?;
    listener.tell(Step::new("verifying conversion"));
    if let Err(error) = tools.probe(made.digest, listener) {
        if made.is_new {
            let _writing = store.begin_writing();
            store.take_back(&[made.digest]);
        }
        return Err(error);
    }
    *layer = layers::layer(Layer::MODEL, made.digest, made.bytes);
    base.facts = Some(Arc::new(made.facts));
    base.made = made.is_new.then_some(made.digest);
    Ok(())
}

/// What a GGUF is that is no model by itself (section 6.2).
fn not_a_model(gguf: &Gguf) -> Option<&'static str> {
    let kind = gguf.get("general.type").and_then(Value::as_str).unwrap_or("model");
    let has = |key| gguf.get_own(key).is_some();
    if kind == "adapter" {
        Some("a GGUF with an adapter")
    } else if matches!(kind, "projector" | "mmproj")
        || gguf.architecture() == "clip"
        || (has("vision.block_count") && !has("block_count"))
    {
        Some("a GGUF with a projector")
    } else if gguf.get("split.count").and_then(Value::as_u64).unwrap_or(0) > 1 {
        Some("a GGUF that is split into several files")
    } else {
        None
    }
}
