//! Bringing the files of a model to the server, each once.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use ureq::http::StatusCode;

use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::progress::Progress;
use crate::model::Digest;

/// How much of a file is read in one go.
const COPY_BYTES: usize = 256 * 1024;

/// Brings a file to the server, unless it is there already, and returns its digest.
pub(super) fn upload(client: &Client, path: &Path, progress: &mut Progress<'_>) -> Result<String, CliError> {
    let fail = |source| CliError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fail)?;
    let (digest, bytes) = hash(&mut file).map_err(fail)?;
    let route = format!("/api/blobs/{digest}");
    if client.head(&route)? == StatusCode::OK {
        return Ok(digest);
    }
    file.rewind().map_err(fail)?;
    let text = format!("copying file {digest}");
    let mut content = Watched { file, progress, text: &text, digest: &digest, done: 0, total: bytes };
    client.upload(&route, &mut content, bytes)?;
    progress.advance(&digest, &text, bytes, bytes)?;
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
    Ok((Digest::from_bytes(hasher.finalize().into()).to_string(), total))
}

/// A file that tells how far it has been read.
struct Watched<'a, 'p> {
    file: File,
    progress: &'a mut Progress<'p>,
    text: &'a str,
    digest: &'a str,
    done: u64,
    total: u64,
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        self.progress.advance(self.digest, self.text, self.done, self.total).map_err(io::Error::other)?;
        Ok(read)
    }
}
