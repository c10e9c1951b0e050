//! The small files: Modelfiles and their parameters, names, and how long a model stays.

use std::collections::HashMap;

use llamero::api::json::decode;
use llamero::api::ollama::types::GenerateRequest;
use llamero::engine::wire::KeepAlive;
use llamero::model::modelfile::{Command, typed};
use llamero::model::{Modelfile, Name};
use serde_json::{Map, Value, json};

use super::runner::{Exceptions, same};

/// Names differ nowhere.
pub const NAMES: Exceptions = &[];
/// Nor do Modelfiles.
pub const MODELFILES: Exceptions = &[];
/// Nor their parameters.
pub const PARAMETERS: Exceptions = &[];
/// Durations that differ on purpose.
pub const DURATIONS: Exceptions =
    &[("1e12", "31,689 years overflow Ollama's nanoseconds, and the model would go at once; here it stays")];

/// A command by the name and the value that the rows have for it.
fn recorded(command: &Command) -> Value {
    let (name, args) = match command {
        Command::From(value) => ("model", value.clone()),
        Command::Template(value) => ("template", value.clone()),
        Command::System(value) => ("system", value.clone()),
        Command::License(value) => ("license", value.clone()),
        Command::Adapter(value) => ("adapter", value.clone()),
        Command::Draft(value) => ("draft", value.clone()),
        Command::Renderer(value) => ("renderer", value.clone()),
        Command::Parser(value) => ("parser", value.clone()),
        Command::Requires(value) => ("requires", value.clone()),
        Command::Parameter { name, value } => (name.as_str(), value.clone()),
        Command::Message { role, content } => ("message", format!("{role}: {content}")),
    };
    json!({"name": name, "args": args})
}

/// Commands and canonical form of a text, or the error in Ollama's words.
pub fn check_modelfile(row: &Value) -> Result<(), String> {
    let got = match row["text"].as_str().unwrap_or_default().parse::<Modelfile>() {
        Ok(file) => {
            if file.to_string().parse().as_ref() != Ok(&file) {
                return Err("its canonical form is another file".to_owned());
            }
            let commands: Vec<_> = file.commands.iter().map(recorded).collect();
            json!({"commands": commands, "string": file.to_string()})
        }
        Err(error) => json!({"error": error.to_string()}),
    };
    if got == row["want"] { Ok(()) } else { same("Modelfile", &got.to_string(), &row["want"].to_string()) }
}

/// The typed values of parameters, or the error.
pub fn check_parameters(row: &Value) -> Result<(), String> {
    let parameters: HashMap<String, Vec<String>> =
        serde_json::from_value(row["params"].clone()).map_err(|error| error.to_string())?;
    let mut got = Map::new();
    for (name, texts) in parameters {
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        match typed(&name, &texts) {
            Ok(value) => _ = got.insert(name, value),
            Err(error) => return same("error", &error.to_string(), row["want"]["error"].as_str().unwrap_or_default()),
        }
    }
    let got = Value::Object(got);
    if got == row["want"]["value"] { Ok(()) } else { Err(format!("value\n    got  {got}\n    want {}", row["want"])) }
}

/// The parts of a name, or that it is none.
pub fn check_name(row: &Value) -> Result<(), String> {
    let want = &row["want"];
    let Ok(name) = row["name"].as_str().unwrap_or_default().parse::<Name>() else {
        return if want["valid"] == false { Ok(()) } else { Err("is not taken for a name".to_owned()) };
    };
    let got = json!({
        "full": name.full(),
        "host": name.host(),
        "model": name.model(),
        "namespace": name.namespace(),
        "short": name.to_string(),
        "tag": name.tag(),
        "valid": true,
    });
    same("name", &got.to_string(), &want.to_string())
}

/// What a `keep_alive` means.
pub fn check_duration(row: &Value) -> Result<(), String> {
    let body = json!({"keep_alive": row["raw"]}).to_string();
    let got = decode::<GenerateRequest>(&mut body.into_bytes()).map(|request| request.keep_alive);
    let want = match (row["want"]["ns"].as_i64(), row["want"]["error"].as_str()) {
        (Some(i64::MAX), _) => Ok(Some(KeepAlive::Forever)),
        (Some(nanoseconds), _) => Ok(u64::try_from(nanoseconds).ok().map(KeepAlive::For)),
        (None, error) => Err(error.unwrap_or_default().to_owned()),
    };
    let got = got.map_err(|error| error.to_string());
    if got == want { Ok(()) } else { Err(format!("got {got:?}, want {want:?}")) }
}
