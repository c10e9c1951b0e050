//! What a model can do, as `tags` lists it (the behaviour page, section 7.6). Templates are not looked at here: `tags`
//! ignores Jinja ones.

use crate::model::gguf::Facts;
use crate::model::{Config, Layer, Manifest};

/// Answers prompts.
pub const COMPLETION: &str = "completion";
/// Turns text into a vector.
pub const EMBEDDING: &str = "embedding";
/// Takes images.
pub const VISION: &str = "vision";
/// Takes sound.
pub const AUDIO: &str = "audio";

/// The capabilities that a model's files and configuration show, in the order in which `tags` lists them.
pub fn of(manifest: &Manifest, config: &Config, facts: Option<&Facts>) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |capability: &str| {
        if !found.iter().any(|known| known == capability) {
            found.push(capability.to_owned());
        }
    };
    if let Some(facts) = facts {
        add(if facts.pools { EMBEDDING } else { COMPLETION });
        if facts.vision {
            add(VISION);
        }
        if facts.audio {
            add(AUDIO);
        }
    }
    if manifest.last(Layer::PROJECTOR).is_some() {
        add(VISION);
    }
    config.capabilities.iter().for_each(|capability| add(capability));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn capabilities_follow_from_keys_layers_and_configuration() {
        let chat = Facts {
            architecture: "llama".to_owned(),
            file_type: "F16",
            parameters: 1,
            context_length: 0,
            embedding_length: 0,
            pools: false,
            vision: false,
            audio: false,
            hears: false,
            chat_template: Some("{% if tools %}".to_owned()),
        };
        let layer = |media_type: &str| Layer {
            media_type: media_type.to_owned(),
            digest: Digest::of(b""),
            size: 0,
            from: None,
            name: None,
        };
        let plain = Manifest::new(layer(Layer::CONFIG), vec![layer(Layer::MODEL)]);
        let projector = Manifest::new(layer(Layer::CONFIG), vec![layer(Layer::MODEL), layer(Layer::PROJECTOR)]);
        let config = Config::default();
        let extra = Config { capabilities: vec!["tools".to_owned(), "completion".to_owned()], ..Config::default() };

        assert_eq!(of(&plain, &config, Some(&chat)), ["completion"]);
        assert_eq!(of(&projector, &config, Some(&chat)), ["completion", "vision"]);
        assert_eq!(of(&plain, &extra, Some(&chat)), ["completion", "tools"]);
        assert_eq!(of(&plain, &extra, None), ["tools", "completion"]);
        let pools = Facts { pools: true, ..chat.clone() };
        assert_eq!(of(&plain, &config, Some(&pools)), ["embedding"]);
        let sees = Facts { vision: true, audio: true, ..chat };
        assert_eq!(of(&projector, &config, Some(&sees)), ["completion", "vision", "audio"]);
    }
}
