//! Models that differ from llamita in their layers, written into the store as Ollama would write them.

use std::fs;
use std::path::Path;

use llamero::model::Digest;
use serde_json::{Value, json};

use crate::server::Server;

/// What a model has besides llamita's weights.
#[derive(Default)]
pub struct Variant {
    /// A Go template.
    pub template: Option<&'static str>,
    /// A system message.
    pub system: Option<&'static str>,
    /// Messages that every conversation begins with.
    pub messages: Option<Value>,
    /// Fields of the configuration.
    pub config: Value,
}

/// Writes the model `name` beside llamita, which is there already.
pub fn write(server: &Server, name: &str, variant: Variant) {
    let library = server.models.join("manifests/registry.ollama.ai/library");
    let manifest = fs::read(library.join("llamita/latest")).expect("llamita is there");
    let mut manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
    let config = manifest["config"]["digest"].as_str().expect("a digest").replace(':', "-");
    let config = fs::read(server.models.join("blobs").join(config)).expect("the configuration");
    let mut config: Value = serde_json::from_slice(&config).expect("a configuration");
    for (key, value) in variant.config.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    let kind = manifest["config"]["mediaType"].clone();
    manifest["config"] = layer(&server.models, &kind, config.to_string().as_bytes());
    let texts = [("template", variant.template), ("system", variant.system)];
    let texts = texts.into_iter().filter_map(|(kind, text)| Some((kind, text?.to_owned())));
    let messages = variant.messages.map(|messages| ("messages", messages.to_string()));
    for (kind, text) in texts.chain(messages) {
        let kind = json!(format!("application/vnd.ollama.image.{kind}"));
        let layer = layer(&server.models, &kind, text.as_bytes());
        manifest["layers"].as_array_mut().expect("layers").push(layer);
    }
    fs::create_dir_all(library.join(name)).expect("a folder");
    fs::write(library.join(name).join("latest"), manifest.to_string()).expect("room for a manifest");
}

fn layer(models: &Path, kind: &Value, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes).to_string();
    fs::write(models.join("blobs").join(digest.replace(':', "-")), bytes).expect("room for a blob");
    json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
}
