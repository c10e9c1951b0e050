//! The configuration of a new model: what its weights say, what it inherits, and what the request says (the behaviour
//! page, sections 6.1 and 6.2).

use serde_json::{Map, Value, json};

use crate::model::Config;
use crate::store::create::source::Base;
use crate::store::create::{CreateError, CreateRequest};

/// Texts among the fields of `info`.
const TEXTS: [&str; 4] = ["model_family", "base_name", "quantization_level", "parameter_size"];
/// Numbers among them.
const NUMBERS: [&str; 2] = ["context_length", "embedding_length"];

/// Makes sure that the fields of `info` have their types. Unknown ones, and capabilities that are no list, are ignored,
/// as in Ollama.
///
/// # Errors
/// The first field that has another type, null included.
pub(super) fn check_info(info: &Map<String, Value>) -> Result<(), CreateError> {
    for field in TEXTS {
        if info.get(field).is_some_and(|value| !value.is_string()) {
            return Err(CreateError::Info { field, kind: "string" });
        }
    }
    for field in NUMBERS {
        let Some(value) = info.get(field) else { continue };
        let number = value.as_f64().ok_or(CreateError::Info { field, kind: "number" })?;
        if whole(number).is_none() {
            return Err(CreateError::Info { field, kind: "non-negative integer" });
        }
    }
    Ok(())
}

/// Puts a configuration together. An architecture that wants a stop text gets it into the request's parameters.
pub(super) fn put_together(request: &mut CreateRequest, base: &Base) -> Config {
    let inherited = base.config.clone().unwrap_or_default();
    let mut config = match &base.facts {
        Some(facts) => Config::of_gguf(facts),
        // Models of other files have nothing that tells but the configuration that they were pulled with.
        None => Config {
            model_family: inherited.model_family,
            model_families: inherited.model_families,
            model_type: inherited.model_type,
            file_type: inherited.file_type,
            architecture: inherited.architecture,
            os: inherited.os,
            ..Config::default()
        },
    };
    if !inherited.model_format.is_empty() {
        config.model_format = inherited.model_format;
    }
    let given = |text: &String, before: Option<String>| Some(text.clone()).filter(|text| !text.is_empty()).or(before);
    config.renderer = given(&request.renderer, inherited.renderer);
    config.parser = given(&request.parser, inherited.parser);
    config.requires = given(&request.requires, inherited.requires);
    config.capabilities = inherited.capabilities;
    config.draft = inherited.draft;
    add_info(&mut config, &request.info);
    if let Some(facts) = &base.facts {
        add_habits(&mut config, &facts.architecture, &mut request.parameters);
    }
    config
}

/// What `info` says goes over what the files say.
fn add_info(config: &mut Config, info: &Map<String, Value>) {
    let text = |field: &str| info.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |field: &str| info.get(field).and_then(Value::as_f64).and_then(whole);
    if let Some(Value::Array(capabilities)) = info.get("capabilities") {
        config.capabilities.extend(capabilities.iter().map(|name| name.as_str().unwrap_or_default().to_owned()));
    }
    if let Some(family) = text("model_family") {
        // The weights' own family comes behind it in the list, as in Ollama.
        config.model_families.get_or_insert_default().insert(0, family.clone());
        config.model_family = family;
    }
    config.base_name = text("base_name");
    config.file_type = text("quantization_level").unwrap_or(std::mem::take(&mut config.file_type));
    config.model_type = text("parameter_size").unwrap_or(std::mem::take(&mut config.model_type));
    config.context_length = number("context_length").unwrap_or_default();
    config.embedding_length = number("embedding_length").unwrap_or_default();
}

/// Renderer, parser and stop text of architectures whose models want them and do not say so.
fn add_habits(config: &mut Config, architecture: &str, parameters: &mut Map<String, Value>) {
    let (renderer, parser, stop) = match architecture {
        "gemma4" => ("gemma4", "gemma4", Some("<turn|>")),
        "laguna" => ("laguna", "laguna", None),
        "nemotron_h" | "nemotron_h_moe" | "nemotron_h_omni" => ("nemotron-3-nano", "nemotron-3-nano", None),
        _ => return,
    };
    if config.renderer.is_some() && config.parser.is_some() {
        return;
    }
    config.renderer.get_or_insert_with(|| renderer.to_owned());
    config.parser.get_or_insert_with(|| parser.to_owned());
    if let Some(stop) = stop {
        parameters.entry("stop").or_insert_with(|| json!([stop]));
    }
}

/// A number that counts something.
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0 && number <= i64::MAX as f64).then_some(number as u64)
}
