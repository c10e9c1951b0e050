//! `stop`: unloads a model.

use clap::Args;
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::error::CliError;

/// Flags of `stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The model
    model: String,
}

/// Asks the server to unload the model as soon as its running requests have ended. Prints nothing.
///
/// # Errors
/// When the server cannot be asked or does not know the model.
pub fn run(args: &StopArgs, client: &Client) -> Result<(), CliError> {
    client.check()?;
    match client.post("/api/generate", &json!({"model": args.model, "keep_alive": 0})) {
        Err(CliError::Server(text)) if text.contains("not found") => Err(CliError::NothingToStop(args.model.clone())),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn an_empty_prompt_without_keep_alive_unloads() {
        let server = FakeServer::start(vec![
            reply(200, ""),
            reply(200, "{\"done\":true,\"done_reason\":\"unload\"}"),
            reply(200, ""),
            reply(404, "{\"error\":\"model 'm' not found\"}"),
        ]);
        let (client, args) = (server.client(), StopArgs { model: "m".to_owned() });
        run(&args, &client).unwrap();
        assert_eq!(server.requests()[1], "POST /api/generate {\"model\":\"m\",\"keep_alive\":0}");
        assert_eq!(run(&args, &client).unwrap_err().to_string(), "couldn't find model \"m\" to stop");
    }
}
