//! `rm`: removes models, and unloads them first.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The models
    #[arg(required = true)]
    models: Vec<String>,
}

/// Removes one after the other until one fails. Results go to `out`, warnings to `err`.
///
/// # Errors
/// When the server cannot be asked or does not know a model, or writing fails.
pub fn run(args: &RemoveArgs, client: &Client, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CliError> {
    client.check()?;
    for model in &args.models {
        if let Err(error) = client.post("/api/generate", &json!({"model": model, "keep_alive": 0}))
            && !error.to_string().to_lowercase().contains("not found")
        {
            writeln!(err, "Warning: unable to stop model '{model}'").map_err(output)?;
        }
        client.order("DELETE", "/api/delete", &json!({"model": model}))?;
        writeln!(out, "deleted '{model}'").map_err(output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn models_are_unloaded_and_removed_until_one_is_missing() {
        let missing = "{\"error\":\"model 'c' not found\"}";
        let server = FakeServer::start(vec![
            reply(200, ""),
            reply(200, "{\"done\":true}"),
            reply(200, ""),
            reply(503, "{\"error\":\"server busy\"}"),
            reply(200, ""),
            reply(404, missing),
            reply(404, missing),
        ]);
        let args = RemoveArgs { models: ["a", "b", "c", "d"].map(str::to_owned).to_vec() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let error = run(&args, &server.client(), &mut out, &mut err).unwrap_err();
        assert_eq!(error.to_string(), "model 'c' not found");
        assert_eq!(String::from_utf8(out).unwrap(), "deleted 'a'\ndeleted 'b'\n");
        assert_eq!(String::from_utf8(err).unwrap(), "Warning: unable to stop model 'b'\n");
        let requests = server.requests();
        assert_eq!(requests[1], "POST /api/generate {\"model\":\"a\",\"keep_alive\":0}");
        assert_eq!(requests[2], "DELETE /api/delete {\"model\":\"a\"}");
        assert_eq!(requests.len(), 7);
    }
}
