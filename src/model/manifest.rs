//! Manifests: which blobs make up a model (the behaviour page, section 4).

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::limits::{LAYERS_MAX, MANIFEST_BYTES};
use crate::model::Digest;
use crate::model::json;

/// Media type of a manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes, more than the {MANIFEST_BYTES} allowed")]
    TooLong(u64),
    /// More layers than [`LAYERS_MAX`].
    #[error("the manifest has {0} layers, more than the {LAYERS_MAX} allowed")]
    TooManyLayers(usize),
    /// Not the JSON that it should be.
    #[error("the manifest is not valid: {0}")]
    Json(#[from] serde_json::Error),
}

/// One blob of a model. Fields in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What it is: [`Layer::MODEL`] and so on.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// Which blob.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Short name of the model from which the layer was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Name of the tensor or file, in models made of safetensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer {
    /// The configuration.
    pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// The weights, a GGUF.
    pub const MODEL: &str = "application/vnd.ollama.image.model";
    /// A vision or audio encoder, a GGUF.
    pub const PROJECTOR: &str = "application/vnd.ollama.image.projector";
    /// An adapter of the weights, a GGUF; may occur several times.
    pub const ADAPTER: &str = "application/vnd.ollama.image.adapter";
    /// A Go template.
    pub const TEMPLATE: &str = "application/vnd.ollama.image.template";
    /// What [`Layer::TEMPLATE`] was called at first.
    pub const PROMPT: &str = "application/vnd.ollama.image.prompt";
    /// The system message.
    pub const SYSTEM: &str = "application/vnd.ollama.image.system";
    /// Options, a JSON map.
    pub const PARAMS: &str = "application/vnd.ollama.image.params";
    /// Messages that every conversation starts with, a JSON array.
    pub const MESSAGES: &str = "application/vnd.ollama.image.messages";
    /// A licence; may occur several times.
    pub const LICENSE: &str = "application/vnd.ollama.image.license";
}

/// The manifest of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    #[serde(default)]
    schema_version: u32,
    /// Always [`MANIFEST_TYPE`]; some registries leave it out.
    #[serde(default)]
    media_type: String,
    /// The configuration blob. Old manifests may lack its digest.
    #[serde(default, deserialize_with = "config")]
    pub config: Option<Layer>,
    /// The other blobs.
    #[serde(default, deserialize_with = "json::or_default")]
    pub layers: Vec<Layer>,
}

impl Manifest {
    /// A manifest for blobs that are in the store.
    pub fn new(config: Layer, layers: Vec<Layer>) -> Self {
        Self { schema_version: 2, media_type: MANIFEST_TYPE.to_owned(), config: Some(config), layers }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is longer than [`MANIFEST_BYTES`], has more than [`LAYERS_MAX`] layers, or is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let length = bytes.len() as u64;
        if length > MANIFEST_BYTES {
            return Err(ManifestError::TooLong(length));
        }
        let manifest: Self = json::object(bytes)?;
        match manifest.layers.len() {
            count if count > LAYERS_MAX => Err(ManifestError::TooManyLayers(count)),
            _ => Ok(manifest),
        }
    }

    /// The bytes of the manifest file: compact JSON and a newline.
    ///
    /// # Errors
    /// Never in practice: every field can be JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        json::line(self)
    }

    /// The last layer of a media type: it wins where there may be only one.
    pub fn last(&self, media_type: &str) -> Option<&Layer> {
        self.layers.iter().rfind(|layer| layer.media_type == media_type)
    }

    /// All blobs that it names, the configuration last.
    pub fn blobs(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().chain(&self.config)
    }

    /// Bytes of all blobs together, as `tags` shows them. A blob counts as often as it is named.
    pub fn size(&self) -> u64 {
        self.blobs().fold(0, |sum, layer| sum.saturating_add(layer.size))
    }
}

/// A configuration without a digest is no configuration.
fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Layer>, D::Error> {
    #[derive(Deserialize)]
    struct Loose {
        #[serde(rename = "mediaType", default)]
        media_type: String,
        #[serde(default)]
        digest: String,
        #[serde(default)]
        size: u64,
    }
    let loose = Option::<Loose>::deserialize(deserializer)?;
    let Some(Loose { media_type, digest, size }) = loose.filter(|loose| !loose.digest.is_empty()) else {
        return Ok(None);
    };
    let digest = digest.parse().map_err(serde::de::Error::custom)?;
    Ok(Some(Layer { media_type, digest, size, from: None, name: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(path: &str) -> Vec<u8> {
        let root = env!("CARGO_MANIFEST_DIR");
        std::fs::read(format!("{root}/tests/data/stores/ollama/manifests/{path}")).unwrap()
    }

    #[test]
    fn recorded_manifests_are_written_back_byte_for_byte() {
        for path in ["registry.ollama.ai/library/llamita/latest", "localhost:5000/team/mario/copy"] {
            let bytes = recorded(path);
            let manifest = Manifest::parse(&bytes).unwrap();
            assert_eq!(manifest.to_bytes().unwrap(), bytes, "{path}");
        }
    }

    #[test]
    fn sizes_and_last_layers() {
        let manifest = Manifest::parse(&recorded("registry.ollama.ai/library/mario/latest")).unwrap();
        assert_eq!(manifest.size(), 2_265_967);
        assert_eq!(manifest.blobs().count(), 7);
        assert_eq!(manifest.last(Layer::MODEL).unwrap().from.as_deref(), Some("llamita:latest"));
        assert_eq!(manifest.last(Layer::LICENSE).unwrap().size, 14, "the last one of two");
        assert_eq!(manifest.last(Layer::PROJECTOR), None);
    }

    #[test]
    fn what_is_missing_or_too_much() {
        for text in ["{}", r#"{"config":{"digest":""},"layers":null}"#, r#"{"config":null}"#] {
            let manifest = Manifest::parse(text.as_bytes()).unwrap();
            assert_eq!((manifest.config, manifest.layers.len()), (None, 0), "{text}");
        }
        for text in [
            "",
            "[]",
            "{} x",
            r#"{"layers":[{}]}"#,
            r#"{"layers":[{"mediaType":"m","digest":"sha256:1","size":1}]}"#,
            r#"{"config":{"digest":"../x","size":1}}"#,
            r#"{"config":{"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":-1}}"#,
        ] {
            assert!(matches!(Manifest::parse(text.as_bytes()), Err(ManifestError::Json(_))), "{text}");
        }
        let long = vec![b' '; MANIFEST_BYTES as usize + 1];
        assert!(matches!(Manifest::parse(&long), Err(ManifestError::TooLong(_))));
        let digest = Digest::of(b"");
        let layer = format!(r#"{{"mediaType":"m","digest":"{digest}","size":0}}"#);
        let many = format!(r#"{{"layers":[{}]}}"#, vec![layer; LAYERS_MAX + 1].join(","));
        assert!(matches!(Manifest::parse(many.as_bytes()), Err(ManifestError::TooManyLayers(_))));
    }
}
