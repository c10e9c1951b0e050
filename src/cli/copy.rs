//! `cp`: a second name for a model.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};

/// Arguments of `cp`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The model
    source: String,
    /// Its second name
    destination: String,
}

/// Copies, and says so.
///
/// # Errors
/// When the server cannot be asked or refuses, or writing fails.
pub fn run(args: &CopyArgs, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    client.check()?;
    let CopyArgs { source, destination } = args;
    client.order("POST", "/api/copy", &json!({"source": source, "destination": destination}))?;
    writeln!(out, "copied '{source}' to '{destination}'").map_err(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn a_copy_is_told() {
        let server = FakeServer::start(vec![
            reply(200, ""),
            reply(200, ""),
            reply(200, ""),
            reply(404, "{\"error\":\"model \\\"a\\\" not found\"}"),
        ]);
        let (client, args) = (server.client(), CopyArgs { source: "a".to_owned(), destination: "b".to_owned() });
        let mut out = Vec::new();
        run(&args, &client, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "copied 'a' to 'b'\n");
        assert_eq!(server.requests()[1], "POST /api/copy {\"source\":\"a\",\"destination\":\"b\"}");
        let error = run(&args, &client, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "model \"a\" not found");
    }
}
