//! The command line's side of the HTTP API: blocking requests, streamed replies line by line.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use crate::cli::error::CliError;
use crate::cli::unix::{NoResolver, UnixConnector};
use crate::config::VERSION;
use crate::config::host::Host;
use crate::config::limits;

/// A server and the connection to it.
pub struct Client {
    agent: Agent,
    base: String,
}

/// The envelope of every error (the behaviour page, section 0.5).
#[derive(Deserialize)]
struct ErrorReply {
    error: String,
}

impl Client {
    /// A client of the server at `host`. Nothing is sent yet.
    pub fn new(host: &Host) -> Self {
        let mut config = Agent::config_builder().http_status_as_error(false).user_agent(format!("llamero/{VERSION}"));
        if host.is_local() {
            config = config.proxy(None);
        }
        let agent = match host {
            Host::Tcp(_) => config.build().new_agent(),
            Host::Unix(path) => Agent::with_parts(config.build(), UnixConnector(path.clone()), NoResolver),
        };
        Self { agent, base: host.client_url() }
    }

    /// Asks whether anyone listens, as every command does first (section 9).
    ///
    /// # Errors
    /// [`CliError::NotRunning`] when the connection is refused, or the path of the socket does not exist.
    pub fn check(&self) -> Result<(), CliError> {
        self.head("/").map(|_| ())
    }

    /// The status of a HEAD request.
    ///
    /// # Errors
    /// As [`Client::check`].
    pub fn head(&self, path: &str) -> Result<StatusCode, CliError> {
        Ok(self.agent.head(self.url(path)).call().map_err(not_running)?.status())
    }

    /// The JSON that a GET request answers.
    ///
    /// # Errors
    /// The server's own text if it refuses; otherwise what went wrong on the way.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let mut response = self.agent.get(self.url(path)).call().map_err(not_running)?;
        refuse(&mut response).map_err(CliError::Server)?;
        Ok(response.body_mut().read_json()?)
    }

    /// The JSON of an answer that is not streamed.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let mut response = self.send(path, body)?;
        refuse(&mut response).map_err(CliError::Server)?;
        Ok(response.body_mut().read_json()?)
    }

    /// Hands each line of a streamed answer to `on_line`, which may end it early.
    ///
    /// # Errors
    /// A refusal is told with its status, an error in mid-stream without one, as Ollama's client does.
    pub fn stream<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        mut on_line: impl FnMut(T) -> Result<ControlFlow<()>, CliError>,
    ) -> Result<(), CliError> {
        let mut response = self.send(path, body)?;
        let status = response.status().to_string();
        refuse(&mut response).map_err(|message| CliError::Refused { status, message })?;
        let mut lines = BufReader::new(response.into_body().into_reader());
        let mut line = Vec::new();
        while read_line(&mut lines, &mut line)? {
            if let Ok(ErrorReply { error }) = serde_json::from_slice(&line) {
                return Err(CliError::Server(error));
            }
            if on_line(serde_json::from_slice(&line)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Sends `bytes` of `content` as they are.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn upload(&self, path: &str, content: &mut dyn Read, bytes: u64) -> Result<(), CliError> {
        let request = self.agent.post(self.url(path)).header("content-length", bytes);
        let mut response = request.send(SendBody::from_reader(content)).map_err(not_running)?;
        refuse(&mut response).map_err(CliError::Server)
    }

    /// Sends a request whose answer has nothing in it. `method`: `POST` or `DELETE`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn order(&self, method: &str, path: &str, body: &Value) -> Result<(), CliError> {
        let url = self.url(path);
        let request = if method == "DELETE" { self.agent.delete(url).force_send_body() } else { self.agent.post(url) };
        let sent = request.content_type("application/json").send(body.to_string());
        refuse(&mut sent.map_err(not_running)?).map_err(CliError::Server)
    }

    fn send(&self, path: &str, body: &Value) -> Result<Response<Body>, CliError> {
        let request = self.agent.post(self.url(path)).content_type("application/json");
        request.send(body.to_string()).map_err(not_running)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Tells a server that is not there from one that misbehaves.
fn not_running(error: ureq::Error) -> CliError {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    match error {
        ureq::Error::Io(io) if matches!(io.kind(), ConnectionRefused | NotFound) => CliError::NotRunning,
        other => CliError::Transport(other),
    }
}

/// The server's text if it refused, or the bare status where there is no text.
fn refuse(response: &mut Response<Body>) -> Result<(), String> {
    let status = response.status();
    if status.as_u16() < 400 {
        return Ok(());
    }
    let text = response.body_mut().read_to_string().unwrap_or_default();
    Err(match serde_json::from_str(&text) {
        Ok(ErrorReply { error }) => error,
        Err(_) if text.is_empty() => status.to_string(),
        Err(_) => text,
    })
}

/// The next line that is not empty, without its end; false at the end of the answer.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, CliError> {
    loop {
        line.clear();
        let most = limits::REPLY_LINE_BYTES as u64 + 1;
        let read = lines.by_ref().take(most).read_until(b'\n', line).map_err(CliError::BrokenOff)?;
        if read as u64 == most {
            return Err(CliError::LongLine);
        }
        if read == 0 {
            return Ok(false);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{FakeServer, reply};
    use serde_json::json;

    fn texts(client: &Client) -> (Vec<String>, Result<(), CliError>) {
        let mut got = Vec::new();
        let result = client.stream("/api/generate", &json!({"model": "m"}), |line: Value| {
            got.push(line["response"].as_str().unwrap_or_default().to_owned());
            Ok(ControlFlow::Continue(()))
        });
        (got, result)
    }

    #[test]
    fn a_stream_is_read_line_by_line() {
        let server = FakeServer::start(vec![reply(200, "{\"response\":\"a\"}\n\n{\"response\":\"b\"}\n")]);
        let (got, result) = texts(&server.client());
        result.unwrap();
        assert_eq!(got, ["a", "b"]);
        assert_eq!(server.requests(), ["POST /api/generate {\"model\":\"m\"}"]);
    }

    #[test]
    fn an_error_in_a_stream_has_no_status_and_a_refusal_has() {
        let server = FakeServer::start(vec![
            reply(200, "{\"response\":\"a\"}\n{\"error\":\"engine gone\"}\n"),
            reply(404, "{\"error\":\"model 'm' not found\"}"),
        ]);
        let client = server.client();
        let (got, result) = texts(&client);
        assert_eq!(got, ["a"]);
        assert_eq!(result.unwrap_err().to_string(), "engine gone");
        assert_eq!(texts(&client).1.unwrap_err().to_string(), "404 Not Found: model 'm' not found");
    }

    #[test]
    fn a_plain_refusal_is_the_servers_text() {
        let server = FakeServer::start(vec![
            reply(503, "{\"error\":\"server busy\"}"),
            reply(404, "404 page not found"),
            reply(403, ""),
        ]);
        let client = server.client();
        for want in ["server busy", "404 page not found", "403 Forbidden"] {
            assert_eq!(client.get::<Value>("/api/tags").unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn nobody_listening_is_told_in_ollamas_words() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for host in [Host::parse(&free.to_string()), Host::parse("unix:/nonexistent/llamero.sock")] {
            let error = Client::new(&host).check().unwrap_err();
            assert_eq!(error.to_string(), "could not connect to ollama server, run 'ollama serve' to start it");
        }
    }

    #[test]
    fn a_socket_in_the_file_system_serves_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let server = FakeServer::start_unix(&path, vec![reply(200, "{\"version\":\"1\"}"), reply(201, "")]);
        let client = Client::new(&Host::Unix(path));
        assert_eq!(client.get::<Value>("/api/version").unwrap(), json!({"version": "1"}));
        client.upload("/api/blobs/x", &mut "abc".as_bytes(), 3).unwrap();
        assert_eq!(server.requests(), ["GET /api/version ", "POST /api/blobs/x abc"]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut endless = BufReader::new(std::io::repeat(b'x'));
        assert!(matches!(read_line(&mut endless, &mut Vec::new()), Err(CliError::LongLine)));
    }
}
