//! `ps`: the loaded models.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::cli::format;

/// Flags of `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Only models whose name begins with this
    prefix: Option<String>,
}

/// The answer of `/api/ps`, as far as it is shown.
#[derive(Deserialize)]
struct Running {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    size: u64,
    digest: String,
    #[serde(deserialize_with = "format::timestamp")]
    expires_at: Timestamp,
    size_vram: u64,
    context_length: u64,
}

/// Prints the table.
///
/// # Errors
/// When the server cannot be asked, or writing fails.
pub fn run(args: &PsArgs, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    client.check()?;
    let running: Running = client.get("/api/ps")?;
    let now = Timestamp::now();
    let prefix = args.prefix.as_deref().unwrap_or("");
    let wanted = running.models.iter().filter(|model| model.name.starts_with(prefix));
    let rows: Vec<_> = wanted.map(|model| row(model, now)).collect();
    let header = ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"];
    write!(out, "{}", format::table(header, &rows)).map_err(output)
}

fn row(model: &Model, now: Timestamp) -> [String; 6] {
    let until = if model.expires_at < now { "Stopping...".to_owned() } else { format::relative(model.expires_at, now) };
    [
        model.name.clone(),
        model.digest.chars().take(12).collect(),
        format::bytes(model.size),
        processor(model.size, model.size_vram),
        model.context_length.to_string(),
        until,
    ]
}

/// How a model is split between CPU and GPU.
fn processor(size: u64, on_gpu: u64) -> String {
    if on_gpu == 0 {
        "100% CPU".to_owned()
    } else if on_gpu == size {
        "100% GPU".to_owned()
    } else if on_gpu > size {
        "Unknown".to_owned()
    } else {
        let cpu = ((size - on_gpu) as f64 / size as f64 * 100.0).round();
        format!("{cpu}%/{}% CPU/GPU", 100.0 - cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn the_split_is_told_in_percent() {
        for (size, on_gpu, want) in [
            (100, 0, "100% CPU"),
            (100, 100, "100% GPU"),
            (1_000, 594, "41%/59% CPU/GPU"),
            (100, 101, "Unknown"),
            (0, 5, "Unknown"),
        ] {
            assert_eq!(processor(size, on_gpu), want);
        }
    }

    #[test]
    fn loaded_models_are_listed() {
        let model = |name: &str, expires: &str| {
            format!(
                "{{\"name\":\"{name}\",\"size\":10370415,\"digest\":\"0123456789abcdef\",\"expires_at\":\"{expires}\",\
                 \"size_vram\":0,\"context_length\":2048,\"model\":\"{name}\",\"details\":{{}}}}"
            )
        };
        let soon = (Timestamp::now() + jiff::SignedDuration::from_secs(290)).to_string();
        let models =
            [model("a:latest", &soon), model("b:latest", "2318-11-22T20:45:32Z"), model("c:x", "2020-01-01T00:00:00Z")];
        let answer = format!("{{\"models\":[{}]}}", models.join(","));
        let server = FakeServer::start(vec![reply(200, ""), reply(200, &answer)]);
        let mut out = Vec::new();
        run(&PsArgs { prefix: None }, &server.client(), &mut out).unwrap();
        let want = "\
NAME        ID              SIZE     PROCESSOR    CONTEXT    UNTIL                 
a:latest    0123456789ab    10 MB    100% CPU     2048       4 minutes from now    
b:latest    0123456789ab    10 MB    100% CPU     2048       Forever               
c:x         0123456789ab    10 MB    100% CPU     2048       Stopping...           
";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
