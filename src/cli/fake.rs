//! A server for the tests of the command line: canned answers in order, requests recorded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::cli::client::Client;
use crate::config::host::Host;

/// A running server. Its threads end with the test's process.
pub struct FakeServer {
    host: Host,
    state: Arc<State>,
}

struct State {
    replies: Mutex<std::vec::IntoIter<Vec<u8>>>,
    requests: Mutex<Vec<String>>,
}

/// An answer in bytes. A HEAD request wants an empty `body`.
pub fn reply(status: u16, body: &str) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Something",
    };
    format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl FakeServer {
    /// Listens on a free port of this machine.
    pub fn start(replies: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host::parse(&listener.local_addr().unwrap().to_string());
        let state = State::new(replies);
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(stream.try_clone().unwrap(), stream));
            }
        });
        Self { host, state }
    }

    /// Listens on a path.
    pub fn start_unix(path: &Path, replies: Vec<Vec<u8>>) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = State::new(replies);
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(stream.try_clone().unwrap(), stream));
            }
        });
        Self { host: Host::Unix(path.to_owned()), state }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(&self.host)
    }

    /// What was asked so far: method, target, body.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl State {
    fn new(replies: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(replies.into_iter()), requests: Mutex::new(Vec::new()) })
    }

    /// Answers the requests of one connection until the client or the answers end.
    fn serve(&self, from: impl Read, mut to: impl Write) {
        let mut from = BufReader::new(from);
        while let Some(request) = read_request(&mut from) {
            self.requests.lock().unwrap().push(request);
            let Some(reply) = self.replies.lock().unwrap().next() else { return };
            to.write_all(&reply).unwrap();
        }
    }
}

/// `METHOD /path body` of the next request.
fn read_request(from: &mut impl BufRead) -> Option<String> {
    let mut first = String::new();
    from.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|read| *read > 2)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if from.fill_buf().ok()?.starts_with(b"\r\n") {
            from.consume(2);
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    let request = first.rsplit_once(' ').unwrap().0;
    Some(format!("{request} {}", String::from_utf8(body).unwrap()))
}
