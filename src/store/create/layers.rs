//! The layers of a new model: those that it starts from, and the request's texts over them (the behaviour page, section
//! 6.3).

use serde_json::{Map, Value};

use crate::model::{Digest, Layer, json};
use crate::store::Store;
use crate::store::create::{CreateError, CreateRequest};

/// A layer, and whether its blob is one that the create made.
pub(super) struct Placed {
    pub(super) layer: Layer,
    new: bool,
}

/// Layers in the order of the manifest.
pub(super) struct Stack<'a> {
    store: &'a Store,
    placed: Vec<Placed>,
    /// Blobs that this create brought into the store.
    made: &'a mut Vec<Digest>,
}

impl<'a> Stack<'a> {
    /// Starts from layers whose blobs are there, some of them `made` by this create. The caller holds `writing`, so that
    /// they stay.
    ///
    /// # Errors
    /// When a blob went away in the meantime.
    pub(super) fn new(store: &'a Store, layers: Vec<Layer>, made: &'a mut Vec<Digest>) -> Result<Self, CreateError> {
        for layer in &layers {
            store.blobs.touch(&layer.digest);
            if store.blobs.find(&layer.digest).is_none() {
                return Err(CreateError::NoBlob(layer.digest));
            }
        }
        let placed = layers.into_iter().map(|layer| Placed { new: made.contains(&layer.digest), layer }).collect();
        Ok(Self { store, placed, made })
    }

    /// Puts the texts of a request in the place of those that were inherited, in Ollama's order. Licences add up.
    pub(super) fn put_texts(
        &mut self,
        request: &CreateRequest,
        inherited: Map<String, Value>,
    ) -> Result<(), CreateError> {
        for (media_type, text) in [(Layer::TEMPLATE, &request.template), (Layer::SYSTEM, &request.system)] {
            if !text.is_empty() {
                self.replace(media_type, text.as_bytes())?;
            }
        }
        for license in request.license.0.iter().filter(|license| !license.is_empty()) {
            self.add(Layer::LICENSE, license.as_bytes())?;
        }
        let mut parameters = inherited;
        parameters.extend(request.parameters.clone());
        if !parameters.is_empty() {
            self.replace(Layer::PARAMS, &json::line(&json::sorted(Value::Object(parameters)))?)?;
        }
        if !request.messages.is_empty() {
            self.replace(Layer::MESSAGES, &json::line(&request.messages)?)?;
        }
        Ok(())
    }

    /// Stores a blob that belongs to the model and is no layer of this stack.
    pub(super) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Result<Placed, CreateError> {
        let (digest, new) = self.store.blobs.put(bytes)?;
        if new {
            self.made.push(digest);
        }
        Ok(Placed { layer: layer(media_type, digest, bytes.len() as u64), new })
    }

    fn add(&mut self, media_type: &str, bytes: &[u8]) -> Result<(), CreateError> {
        let placed = self.put(media_type, bytes)?;
        self.placed.push(placed);
        Ok(())
    }

    fn replace(&mut self, media_type: &str, bytes: &[u8]) -> Result<(), CreateError> {
        self.placed.retain(|placed| placed.layer.media_type != media_type);
        self.add(media_type, bytes)
    }

    /// A sentence for each layer.
    pub(super) fn told(&self) -> Vec<String> {
        let told = |placed: &Placed| {
            let what = if placed.new { "creating new" } else { "using existing" };
            format!("{what} layer {}", placed.layer.digest)
        };
        self.placed.iter().map(told).collect()
    }

    pub(super) fn into_layers(self) -> Vec<Layer> {
        self.placed.into_iter().map(|placed| placed.layer).collect()
    }
}

/// A layer that was made here.
pub(super) fn layer(media_type: &str, digest: Digest, size: u64) -> Layer {
    Layer { media_type: media_type.to_owned(), digest, size, from: None, name: None }
}
