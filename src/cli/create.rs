//! `create`: a model from a Modelfile, which for now holds one line: FROM and the path of a GGUF.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use ureq::http::StatusCode;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::config::limits;
use crate::model;

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the new model
    model: String,
    /// The Modelfile
    #[arg(short, long, default_value = "Modelfile")]
    file: PathBuf,
}

/// An event of `/api/create`.
#[derive(Deserialize)]
struct CreateEvent {
    status: String,
}

/// How much of the file is read in one go.
const COPY_BYTES: usize = 256 * 1024;

/// Uploads the GGUF if the server does not have it, and makes the model. Progress goes to `err`.
///
/// # Errors
/// When the Modelfile makes no sense, a file cannot be read, or the server refuses.
pub fn run(args: &CreateArgs, client: &Client, err: &mut dyn Write) -> Result<(), CliError> {
    let modelfile = read_modelfile(&args.file)?;
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = resolve(&from_path(&modelfile)?, &args.file, home.as_deref());
    client.check()?;
    writeln!(err, "gathering model components").map_err(output)?;
    let digest = upload(client, &path, err)?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let body = json!({"model": args.model, "files": {name: digest}});
    client.stream("/api/create", &body, |event: CreateEvent| {
        writeln!(err, "{}", event.status).map_err(output)?;
        Ok(ControlFlow::Continue(()))
    })
}

fn read_modelfile(path: &Path) -> Result<String, CliError> {
    let fail = |source| CliError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(fail)?;
    let read = file.take(limits::MODELFILE_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
    if read as u64 > limits::MODELFILE_BYTES { Err(CliError::LongModelfile) } else { Ok(text) }
}

/// The path behind FROM: bare to the end of the line, or in quotes (the behaviour page, section 6.7).
fn from_path(modelfile: &str) -> Result<String, CliError> {
    let mut path = None;
    for (number, line) in modelfile.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !command.eq_ignore_ascii_case("from") || path.is_some() {
            return Err(CliError::Instruction { line: number + 1, command: command.to_owned() });
        }
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        path = Some(quoted.unwrap_or(value).to_owned());
    }
    path.filter(|path| !path.is_empty()).ok_or(CliError::NoFrom)
}

/// A path in a Modelfile is relative to it; `~` is the home of whoever calls.
fn resolve(path: &str, modelfile: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => modelfile.parent().unwrap_or(Path::new("")).join(path),
    }
}

/// Brings a file to the server, unless it is there already, and returns its digest.
fn upload(client: &Client, path: &Path, err: &mut dyn Write) -> Result<String, CliError> {
    let fail = |source| CliError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fail)?;
    let (digest, bytes) = hash(&mut file).map_err(fail)?;
    let route = format!("/api/blobs/{digest}");
    if client.head(&route)? == StatusCode::OK {
        return Ok(digest);
    }
    file.rewind().map_err(fail)?;
    writeln!(err, "copying file {digest}").map_err(output)?;
    let mut content = Progress { inner: file, err, label: &digest, done: 0, total: bytes, shown: 0 };
    client.upload(&route, &mut content, bytes)?;
    Ok(digest)
}

/// Digest and length of a file.
fn hash(file: &mut File) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut total = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let Some(filled) = buffer.get(..read).filter(|filled| !filled.is_empty()) else { break };
        hasher.update(filled);
        total += read as u64;
    }
    Ok((model::Digest::from_bytes(hasher.finalize().into()).to_string(), total))
}

/// Tells every tenth part of what is read through it.
struct Progress<'a> {
    inner: File,
    err: &'a mut dyn Write,
    label: &'a str,
    done: u64,
    total: u64,
    /// Tenths told so far.
    shown: u64,
}

impl Read for Progress<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        let tenths = (self.done * 10).checked_div(self.total).unwrap_or(10);
        if tenths > self.shown {
            self.shown = tenths;
            writeln!(self.err, "copying file {} {}%", self.label, tenths * 10)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn a_modelfile_is_one_from_line() {
        for (text, want) in [
            ("FROM ./a.gguf", Ok("./a.gguf")),
            ("\u{feff}# made by hand\n\nfrom  \"my model.gguf\"  \n", Ok("my model.gguf")),
            ("# nothing", Err("no FROM line")),
            ("FROM", Err("no FROM line")),
            (
                "FROM a\nSYSTEM be short",
                Err("(line 2): SYSTEM comes with the model store: for now a Modelfile is one line, FROM and the path \
                     of a GGUF"),
            ),
            (
                "FROM a\nFROM b",
                Err("(line 2): FROM comes with the model store: for now a Modelfile is one line, FROM and the path \
                     of a GGUF"),
            ),
        ] {
            assert_eq!(from_path(text).map_err(|e| e.to_string()), want.map(str::to_owned).map_err(str::to_owned));
        }
    }

    #[test]
    fn paths_are_relative_to_the_modelfile() {
        for (path, want) in [("a.gguf", "/m/a.gguf"), ("/b.gguf", "/b.gguf"), ("~/c.gguf", "/home/ana/c.gguf")] {
            let got = resolve(path, Path::new("/m/Modelfile"), Some(Path::new("/home/ana")));
            assert_eq!(got, PathBuf::from(want));
        }
        assert_eq!(resolve("a", Path::new("Modelfile"), None), PathBuf::from("a"));
    }

    #[test]
    fn the_file_is_uploaded_once_and_the_model_made() {
        // sha256 of "abc" (FIPS 180-2, appendix B.1).
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.gguf"), "abc").unwrap();
        let file = folder.path().join("Modelfile");
        std::fs::write(&file, "FROM a.gguf\n").unwrap();
        let made = "{\"status\":\"writing manifest\"}\n{\"status\":\"success\"}\n";
        let server = FakeServer::start(vec![
            reply(200, ""),
            reply(404, ""),
            reply(201, ""),
            reply(200, made),
            reply(200, ""),
            reply(200, ""),
            reply(200, made),
        ]);
        let (client, args) = (server.client(), CreateArgs { model: "m".to_owned(), file });
        let mut err = Vec::new();
        run(&args, &client, &mut err).unwrap();
        let told = String::from_utf8(err).unwrap();
        let copying = format!("copying file {digest}\ncopying file {digest} 100%\n");
        assert_eq!(told, format!("gathering model components\n{copying}writing manifest\nsuccess\n"));
        run(&args, &client, &mut Vec::new()).unwrap();
        let head = format!("HEAD /api/blobs/{digest} ");
        let create = format!("POST /api/create {{\"model\":\"m\",\"files\":{{\"a.gguf\":\"{digest}\"}}}}");
        let upload = format!("POST /api/blobs/{digest} abc");
        assert_eq!(server.requests(), ["HEAD / ", &head, &upload, &create, "HEAD / ", &head, &create]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let args = CreateArgs { model: "m".to_owned(), file: PathBuf::from("/nonexistent/Modelfile") };
        let error = run(&args, &FakeServer::start(Vec::new()).client(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/Modelfile: No such file or directory (os error 2)");
    }
}
