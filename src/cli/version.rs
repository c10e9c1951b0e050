//! `--version`: the server's version, and a word where it is not ours.

use std::io::Write;

use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::config::VERSION;

/// The answer of `/api/version`.
#[derive(Deserialize)]
struct VersionReply {
    version: String,
}

/// Prints the versions. A server that is not there is no error.
///
/// # Errors
/// Only when writing fails.
pub fn run(client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    let server = client.get("/api/version").ok().map(|reply: VersionReply| reply.version);
    match &server {
        Some(version) => writeln!(out, "ollama version is {version}").map_err(output)?,
        None => writeln!(out, "Warning: could not connect to a running Ollama instance").map_err(output)?,
    }
    if server.as_deref() != Some(VERSION) {
        writeln!(out, "Warning: client version is {VERSION}").map_err(output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn versions_are_compared() {
        let same = format!("{{\"version\":\"{VERSION}\"}}");
        let ours = format!("Warning: client version is {VERSION}\n");
        for (answer, want) in [
            (reply(200, &same), format!("ollama version is {VERSION}\n")),
            (reply(200, "{\"version\":\"9.9\"}"), format!("ollama version is 9.9\n{ours}")),
            (reply(404, ""), format!("Warning: could not connect to a running Ollama instance\n{ours}")),
        ] {
            let mut out = Vec::new();
            run(&FakeServer::start(vec![answer]).client(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }
}
