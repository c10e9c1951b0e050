//! The model of a run whose flags name none: the first that the server lists. Ollama and most others answer `/v1/models`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::http::{self, Decoder, HttpError};

/// How long the server may take to take the connection, and to bring each piece of its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest such answer.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a server names no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No connection.
    #[error("connecting: {0}")]
    Connect(#[source] io::Error),
    /// The question could not be sent.
    #[error("writing: {0}")]
    Write(#[source] io::Error),
    /// The answer could not be read.
    #[error("reading: {0}")]
    Read(#[source] io::Error),
    /// Nothing more came in time.
    #[error("nothing came for {} s", TIMEOUT.as_secs())]
    Slow,
    /// The answer is no HTTP.
    #[error("its answer is no HTTP: {0}")]
    Http(#[from] HttpError),
    /// The server refused.
    #[error("it answers with status {0}")]
    Status(u16),
    /// The answer is too long.
    #[error("its answer is longer than {BYTES_MAX} bytes")]
    Long,
    /// The answer is no JSON.
    #[error("its answer is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The list has no first model with an `id`.
    #[error("it lists no model")]
    Empty,
}

/// The first model that the server lists.
///
/// # Errors
/// [`ModelError`].
pub fn first(host: &str, address: SocketAddr) -> Result<String, ModelError> {
    let body = list(host, address)?;
    let models: Value = serde_json::from_slice(&body)?;
    let id = models.get("data").and_then(|data| data.get(0)?.get("id")?.as_str());
    id.map(str::to_owned).ok_or(ModelError::Empty)
}

fn list(host: &str, address: SocketAddr) -> Result<Vec<u8>, ModelError> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(ModelError::Connect)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(ModelError::Connect)?;
    stream.write_all(&http::request(host, "/v1/models", None)).map_err(ModelError::Write)?;
    let (mut decoder, mut body, mut buffer) = (Decoder::default(), Vec::new(), vec![0; 16 * 1024]);
    while !decoder.is_done() {
        let read = match stream.read(&mut buffer) {
            Ok(read) => read,
            // The kernel ends the io_uring of an earlier run some milliseconds after the run, and interrupts this
            // thread for it; a read with a time limit is not taken up again by itself.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(ModelError::Slow);
            }
            Err(error) => return Err(ModelError::Read(error)),
        };
        if read == 0 {
            decoder.end()?;
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        decoder.feed(bytes, &mut |bytes| body.extend_from_slice(bytes))?;
        if body.len() > BYTES_MAX {
            return Err(ModelError::Long);
        }
    }
    if decoder.status() >= 300 { Err(ModelError::Status(decoder.status())) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::block_on;
    use std::net::TcpListener;

    /// Answers each connection once, after a while.
    fn server(answer: &'static str, after: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                let mut request = [0; 1024];
                if stream.read(&mut request).is_ok_and(|read| read == 0) {
                    continue;
                }
                std::thread::sleep(after);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    fn told(answer: &'static str) -> String {
        let found = first("h", server(answer, Duration::ZERO));
        found.unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn it_is_said_why_there_is_no_model() {
        for (answer, want) in [
            ("HTTP/1.0 200 OK\r\n\r\n{\"data\": [{\"id\": \"m:1\"}, {\"id\": \"n\"}]}", "m:1"),
            ("HTTP/1.0 200 OK\r\n\r\n{\"data\": []}", "it lists no model"),
            ("HTTP/1.0 200 OK\r\n\r\n{\"data\": null}", "it lists no model"),
            ("HTTP/1.0 200 OK\r\n\r\n<html>", "its answer is no JSON: "),
            ("HTTP/1.0 404 Not Found\r\n\r\n{}", "it answers with status 404"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "its answer is no HTTP: the connection ended early"),
            ("SSH-2.0\r\n\r\n", "its answer is no HTTP: bad status line"),
        ] {
            assert!(told(answer).starts_with(want), "{answer:?}: {}", told(answer));
        }
        // Port 1 belongs to no one, and no client gets it as its own.
        let gone = first("h", SocketAddr::from(([127, 0, 0, 1], 1))).unwrap_err().to_string();
        assert!(gone.starts_with("connecting: "), "{gone}");
    }

    /// The kernel interrupts each of these reads while it ends the ring of the runtime before.
    #[test]
    fn a_model_is_found_behind_another_run() {
        let address = server("HTTP/1.0 200 OK\r\n\r\n{\"data\": [{\"id\": \"m\"}]}", Duration::from_millis(60));
        for _ in 0..3 {
            block_on(false, async { monoio::net::TcpStream::connect_addr(address).await.map(drop) })
                .unwrap()
                .0
                .unwrap();
            assert_eq!(first("h", address).map_err(|error| error.to_string()), Ok("m".to_owned()));
        }
    }
}
