//! `show`: what a model is, as tables or one part of it alone.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::cli::table::{self, columns_of};
use crate::model::config::parameter_size;
use crate::model::modelfile::go_number;

/// Where the texts of system message and licence are wrapped.
const TEXT_WIDTH: usize = 100;
/// Lines of them that are shown.
const TEXT_LINES: usize = 2;
/// Columns that the elements of an array may take.
const ARRAY_COLUMNS: usize = 10;

/// Flags of `show`.
#[derive(Debug, Default, Args)]
pub struct ShowArgs {
    /// The model
    model: String,
    /// Show license of a model
    #[arg(long)]
    license: bool,
    /// Show Modelfile of a model
    #[arg(long)]
    modelfile: bool,
    /// Show parameters of a model
    #[arg(long)]
    parameters: bool,
    /// Show template of a model
    #[arg(long)]
    template: bool,
    /// Show system message of a model
    #[arg(long)]
    system: bool,
    /// Show detailed model information
    #[arg(short, long)]
    verbose: bool,
}

/// The answer of `/api/show`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shown {
    license: String,
    modelfile: String,
    parameters: String,
    template: String,
    system: String,
    details: ShownDetails,
    model_info: Option<Map<String, Value>>,
    projector_info: Option<Map<String, Value>>,
    tensors: Vec<Tensor>,
    capabilities: Vec<String>,
    remote_model: String,
    remote_host: String,
    requires: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownDetails {
    family: String,
    parameter_size: String,
    quantization_level: String,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    name: String,
    r#type: String,
    shape: Vec<u64>,
}

/// Prints the tables, or the one part that was asked for.
///
/// # Errors
/// When more than one part is asked for, the server cannot be asked or does not know the model, or writing fails.
pub fn run(args: &ShowArgs, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    client.check()?;
    let flags = [args.license, args.modelfile, args.parameters, args.system, args.template];
    if flags.iter().filter(|flag| **flag).count() > 1 {
        return Err(CliError::OnePart);
    }
    let answer = client.post("/api/show", &json!({"model": args.model, "verbose": args.verbose}))?;
    let shown: Shown = serde_json::from_value(answer)?;
    if shown.capabilities.iter().any(|capability| capability == "image") {
        return Err(CliError::Images);
    }
    let written = match flags {
        [true, ..] => writeln!(out, "{}", shown.license),
        [_, true, ..] => writeln!(out, "{}", shown.modelfile),
        [_, _, true, ..] => writeln!(out, "{}", shown.parameters),
        [_, _, _, true, _] => write!(out, "{}", shown.system),
        [.., true] => write!(out, "{}", shown.template),
        _ => write!(out, "{}", tables(&shown, args.verbose)),
    };
    written.map_err(output)
}

/// All tables, each below its name.
fn tables(shown: &Shown, verbose: bool) -> String {
    let mut text = String::new();
    let mut put = |name: &str, rows: Vec<Vec<String>>| {
        let width = if matches!(name, "System" | "License") { TEXT_WIDTH } else { table::WIDTH };
        text.extend(["  ", name, "\n", &table::render(&rows, width), "\n"]);
    };
    put("Model", model(shown));
    if !shown.capabilities.is_empty() {
        put("Capabilities", shown.capabilities.iter().map(|name| row([name.clone()])).collect());
    }
    if let Some(info) = &shown.projector_info {
        put("Projector", projector(info));
    }
    if !shown.parameters.is_empty() {
        let lines = shown.parameters.lines().filter(|line| !line.is_empty());
        put("Parameters", lines.map(|line| row(line.split_whitespace().map(str::to_owned))).collect());
    }
    if verbose {
        if let Some(info) = &shown.model_info {
            let mut keys: Vec<_> = info.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            put("Metadata", keys.into_iter().map(|(key, value)| row([key.clone(), metadata(value)])).collect());
        }
        if !shown.tensors.is_empty() {
            put("Tensors", shown.tensors.iter().map(tensor).collect());
        }
    }
    for (name, lines) in [("System", &shown.system), ("License", &shown.license)] {
        if !lines.is_empty() {
            put(name, head(lines));
        }
    }
    text
}

/// A row with the empty cell that every row begins with.
fn row(cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(String::new()).chain(cells).collect()
}

fn named(name: &str, value: impl Into<String>) -> Vec<String> {
    row([name.to_owned(), value.into()])
}

fn model(shown: &Shown) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if !shown.remote_host.is_empty() {
        rows.push(named("Remote model", &shown.remote_model));
        rows.push(named("Remote URL", &shown.remote_host));
    }
    let ShownDetails { family, parameter_size: size, quantization_level } = &shown.details;
    if let Some(info) = &shown.model_info {
        let architecture = text_of(info, "general.architecture");
        if !architecture.is_empty() {
            rows.push(named("architecture", architecture));
        }
        let counted = || number_of(info, "general.parameter_count").map(|count| parameter_size(count as u64));
        if let Some(size) = Some(size.clone()).filter(|size| !size.is_empty()).or_else(counted) {
            rows.push(named("parameters", size));
        }
        for (key, name) in [("context_length", "context length"), ("embedding_length", "embedding length")] {
            if let Some(number) = number_of(info, &format!("{architecture}.{key}")) {
                rows.push(named(name, number.to_string()));
            }
        }
    } else {
        rows.push(named("architecture", family));
        rows.push(named("parameters", size));
    }
    rows.push(named("quantization", quantization_level));
    if !shown.requires.is_empty() {
        rows.push(named("requires", &shown.requires));
    }
    rows
}

fn projector(info: &Map<String, Value>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let architecture = text_of(info, "general.architecture");
    if !architecture.is_empty() {
        rows.push(named("architecture", architecture));
    }
    if let Some(count) = number_of(info, "general.parameter_count") {
        rows.push(named("parameters", parameter_size(count as u64)));
    }
    for (key, name) in [("embedding_length", "embedding length"), ("projection_dim", "dimensions")] {
        let of = |sense: &str| number_of(info, &format!("{architecture}.{sense}.{key}"));
        if let Some(number) = of("vision").or_else(|| of("audio")) {
            rows.push(named(name, number.to_string()));
        }
    }
    rows
}

fn text_of<'a>(info: &'a Map<String, Value>, key: &str) -> &'a str {
    info.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number_of(info: &Map<String, Value>, key: &str) -> Option<f64> {
    info.get(key).and_then(Value::as_f64)
}

/// A value of the header in a few columns.
fn metadata(value: &Value) -> String {
    match value {
        Value::Array(items) => array(items),
        Value::Object(_) => "map[string]interface {}".to_owned(),
        value => scalar(value),
    }
}

/// A value as Go's `%v` prints it.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => go_number(number),
        value => value.to_string(),
    }
}

/// As many elements as find room, and how many more there are.
fn array(items: &[Value]) -> String {
    let mut columns = 1;
    let mut shown = Vec::new();
    for item in items {
        let text = scalar(item);
        let width = columns_of(&text) + if shown.is_empty() { 0 } else { 2 };
        if columns + width > ARRAY_COLUMNS && !shown.is_empty() {
            break;
        }
        columns += width;
        shown.push(text);
    }
    match items.len() - shown.len() {
        0 => format!("[{}]", shown.join(" ")),
        more => format!("[{} ...+{more} more]", shown.join(" ")),
    }
}

fn tensor(tensor: &Tensor) -> Vec<String> {
    let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
    row([tensor.name.clone(), tensor.r#type.clone(), format!("[{}]", shape.join(" "))])
}

/// The first lines that are not empty.
fn head(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let more = (lines.len() > TEXT_LINES).then_some("...");
    lines.iter().take(TEXT_LINES).copied().chain(more).map(|line| row([line.to_owned()])).collect()
}

#[cfg(test)]
mod tests;
