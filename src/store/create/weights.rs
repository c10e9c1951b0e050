//! The one place of a create where weights are tried out and converted.
//!
//! [`admit`] is asked about every GGUF that is new here: it is checked as far as its header tells. [`quantize`] decides
//! whether weights have to be converted. Running strangers' weights through llama.cpp is not this process's work.

use std::fs::File;

use crate::model::gguf::{Arrays, Facts, Gguf, GgufError, Value};
use crate::model::{Digest, Layer};
use crate::store::Store;
use crate::store::create::source::Base;
use crate::store::create::{CreateError, Listener, Step};

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
pub(super) fn admit(weights: &Weights, listener: &mut dyn Listener) -> Result<Facts, CreateError> {
    listener.tell(Step::new("verifying conversion"));
    weights.gguf.check_model(weights.bytes).map_err(CreateError::Gguf)?;
    Ok(Facts::of(&weights.gguf))
}

/// Puts weights of another type in the place of those in `base`, unless they have it already (section 6.4).
///
/// # Errors
/// When there is no such type, the weights are quantized, or they would have to be converted.
pub(super) fn quantize(
    _store: &Store,
    base: &mut Base,
    wanted: &str,
    _listener: &mut dyn Listener,
) -> Result<(), CreateError> {
    let wanted = wanted.to_ascii_uppercase();
    let wanted = if wanted == "Q4_K" { "Q4_K_M" } else { wanted.as_str() };
    if !QUANTIZATIONS.contains(&wanted) {
        return Err(CreateError::Quantization(wanted.to_owned()));
    }
    let has_weights = base.layers.iter().any(|layer| layer.media_type == Layer::MODEL);
    let Some(facts) = base.facts.as_ref().filter(|_| has_weights) else { return Ok(()) };
    if !matches!(facts.file_type, "F16" | "BF16" | "F32") {
        return Err(CreateError::Quantized);
    }
    if facts.file_type == wanted { Ok(()) } else { Err(CreateError::Unsupported("quantizing ('quantize')")) }
}

/// The types that Ollama quantizes to.
const QUANTIZATIONS: [&str; 6] = ["F32", "F16", "BF16", "Q8_0", "Q4_K_S", "Q4_K_M"];

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
