//! `create`: a model from a Modelfile. What it names and the server does not have is uploaded first.

mod files;
mod upload;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::api::ollama::replies::StatusReply;
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::progress::Progress;
use crate::config::limits;
use crate::model::modelfile::Parts;
use crate::model::{Modelfile, Name};

/// Flags of `create`.
#[derive(Debug, Default, Args)]
pub struct CreateArgs {
    /// Name of the new model
    model: String,
    /// Name of the Modelfile (default "Modelfile")
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// The type to convert the weights to.
    #[arg(short, long, help = "Quantize model to this level (e.g. q4_K_M)")]
    quantize: Option<String>,
    /// Quantize draft model to this level
    #[arg(long)]
    draft_quantize: Option<String>,
}

/// The Modelfile where there is none: the model in this folder.
const NO_MODELFILE: &[u8] = b"FROM .\n";

/// Uploads what the server does not have, and makes the model.
///
/// # Errors
/// When the Modelfile makes no sense, a file cannot be read, or the server refuses.
pub fn run(args: &CreateArgs, client: &Client, progress: &mut Progress<'_>) -> Result<(), CliError> {
    client.check()?;
    if args.model.parse::<Name>().is_err() {
        return Err(CliError::ModelName(args.model.clone()));
    }
    let path = args.file.as_deref().unwrap_or(Path::new("Modelfile"));
    let parts = Modelfile::parse(&read_modelfile(path, args.file.is_some())?)?.parts()?;
    for name in &parts.deprecated {
        progress.status(&format!("warning: parameter {name} is deprecated"))?;
    }
    progress.status("gathering model components")?;
    let sources = Sources::find(&parts, path.parent().unwrap_or(Path::new("")))?;
    if args.draft_quantize.is_some() && sources.drafts.is_empty() {
        return Err(CliError::NoDraft);
    }
    let mut body = texts(&parts);
    body.insert("model".to_owned(), json!(args.model));
    if let Some(name) = &sources.model {
        body.insert("from".to_owned(), json!(name));
    }
    for (field, files) in [("files", &sources.files), ("adapters", &sources.adapters), ("draft_files", &sources.drafts)]
    {
        if !files.is_empty() {
            body.insert(field.to_owned(), json!(uploaded(client, files, progress)?));
        }
    }
    for (field, kind) in [("quantize", &args.quantize), ("draft_quantize", &args.draft_quantize)] {
        if let Some(kind) = kind.as_ref().filter(|kind| !kind.is_empty()) {
            body.insert(field.to_owned(), json!(kind));
        }
    }
    client.stream("/api/create", &Value::Object(body), |step: StatusReply| {
        if step.digest.is_empty() {
            progress.status(&step.status)?;
        } else {
            progress.advance(&step.digest, &step.status, step.completed, step.total)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The text of the Modelfile. Only one that was asked for has to be there.
fn read_modelfile(path: &Path, asked_for: bool) -> Result<Vec<u8>, CliError> {
    let fail = |source| CliError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && asked_for => return Err(CliError::NoModelfile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(NO_MODELFILE.to_vec()),
        file => file.map_err(fail)?,
    };
    let mut text = Vec::new();
    // One byte more than may be: the parser tells that it is too long.
    file.take(limits::MODELFILE_BYTES + 1).read_to_end(&mut text).map_err(fail)?;
    Ok(text)
}

/// What the paths in a Modelfile stand for.
#[derive(Debug, Default)]
struct Sources {
    /// A model of the server.
    model: Option<String>,
    files: Vec<PathBuf>,
    adapters: Vec<PathBuf>,
    drafts: Vec<PathBuf>,
}

impl Sources {
    fn find(parts: &Parts, folder: &Path) -> Result<Self, CliError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let resolve = |path: &str| files::resolve(path, folder, home.as_deref());
        let mut sources = Self::default();
        for from in &parts.from {
            match files::at(&resolve(from))? {
                Some(files) => sources.files.extend(files),
                None => sources.model = Some(from.clone()),
            }
        }
        let there = |path: &str| {
            let path = resolve(path);
            let missing = || CliError::File { path: path.clone(), source: io::ErrorKind::NotFound.into() };
            files::at(&path)?.ok_or_else(missing)
        };
        // Of several adapters the last one counts, as in Ollama.
        if let Some(adapter) = parts.adapters.last() {
            sources.adapters = there(adapter)?;
        }
        for draft in &parts.drafts {
            sources.drafts.extend(there(draft)?);
        }
        Ok(sources)
    }
}

/// Brings files to the server: their names there, and their digests.
fn uploaded(
    client: &Client,
    files: &[PathBuf],
    progress: &mut Progress<'_>,
) -> Result<BTreeMap<String, String>, CliError> {
    let fail = |source| CliError::File { path: files.first().cloned().unwrap_or_default(), source };
    let names = files::names(files).map_err(fail)?;
    let digests = names.into_iter().map(|(path, name)| Ok((name, upload::upload(client, &path, progress)?)));
    digests.collect()
}

/// The fields that need no file.
fn texts(parts: &Parts) -> Map<String, Value> {
    let mut body = Map::new();
    let texts = [
        ("template", &parts.template),
        ("system", &parts.system),
        ("renderer", &parts.renderer),
        ("parser", &parts.parser),
        ("requires", &parts.requires),
    ];
    for (field, text) in texts {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            body.insert(field.to_owned(), json!(text));
        }
    }
    if !parts.licenses.is_empty() {
        body.insert("license".to_owned(), json!(parts.licenses));
    }
    if !parts.parameters.is_empty() {
        body.insert("parameters".to_owned(), Value::Object(parts.parameters.clone()));
    }
    if !parts.messages.is_empty() {
        body.insert("messages".to_owned(), json!(parts.messages));
    }
    body
}

#[cfg(test)]
mod tests;
