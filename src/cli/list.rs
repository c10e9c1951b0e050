//! `list`: the models of the store.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::error::{CliError, output};
use crate::cli::format;

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only models whose name begins with this
    prefix: Option<String>,
}

/// The answer of `/api/tags`, as far as it is shown.
#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    remote_model: String,
    #[serde(deserialize_with = "format::timestamp")]
    modified_at: Timestamp,
    size: u64,
    digest: String,
}

/// Prints the table.
///
/// # Errors
/// When the server cannot be asked, or writing fails.
pub fn run(args: &ListArgs, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    client.check()?;
    let tags: Tags = client.get("/api/tags")?;
    let now = Timestamp::now();
    let prefix = args.prefix.as_deref().unwrap_or("").to_lowercase();
    let wanted = tags.models.iter().filter(|tag| tag.name.to_lowercase().starts_with(&prefix));
    let rows: Vec<_> = wanted.map(|tag| row(tag, now)).collect();
    write!(out, "{}", format::table(["NAME", "ID", "SIZE", "MODIFIED"], &rows)).map_err(output)
}

fn row(tag: &Tag, now: Timestamp) -> [String; 4] {
    let size = if tag.remote_model.is_empty() { format::bytes(tag.size) } else { "-".to_owned() };
    let id = tag.digest.chars().take(12).collect();
    [tag.name.clone(), id, size, format::relative(tag.modified_at, now)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};

    #[test]
    fn models_are_listed_by_prefix() {
        let old = Timestamp::now() - jiff::SignedDuration::from_hours(72);
        let tags = format!(
            "{{\"models\":[{{\"name\":\"smollm2:135m\",\"modified_at\":\"{old}\",\"size\":98365316,\
             \"digest\":\"0123456789abcdef\"}},{{\"name\":\"Far:cloud\",\"modified_at\":\"{old}\",\"size\":1,\
             \"digest\":\"fedcba9876543210\",\"remote_model\":\"far\"}}]}}"
        );
        let head = "NAME            ID              SIZE     MODIFIED      \n";
        let near = "smollm2:135m    0123456789ab    98 MB    3 days ago    \n";
        let table = [
            (None, format!("{head}{near}Far:cloud       fedcba987654    -        3 days ago    \n")),
            (Some("SMOL"), format!("{head}{near}")),
            (Some("x"), "NAME    ID    SIZE    MODIFIED    \n".to_owned()),
        ];
        for (prefix, want) in table {
            let server = FakeServer::start(vec![reply(200, ""), reply(200, &tags)]);
            let mut out = Vec::new();
            run(&ListArgs { prefix: prefix.map(str::to_owned) }, &server.client(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
            assert_eq!(server.requests(), ["HEAD / ", "GET /api/tags "]);
        }
    }
}
