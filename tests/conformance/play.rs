//! Sends a row's request and takes its answer.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic;

use crate::rows::{Request, data};
use crate::server::Client;

/// The path of `minilm.gguf`, where there is one: made by `tests/data/minilm/make.py`.
pub const MINILM: &str = "LLAMERO_TEST_MINILM";

/// A server to play against.
pub struct Target {
    address: SocketAddr,
    host: String,
}

/// What came back.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    /// Names in lower case; repeated ones are joined with a comma.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Target {
    pub fn at(address: SocketAddr) -> Target {
        Target { address, host: address.to_string() }
    }

    /// From a base URL, `http://host:port`.
    pub fn parse(url: &str) -> Target {
        let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let address = host.to_socket_addrs().ok().and_then(|mut found| found.next());
        Target { address: address.unwrap_or_else(|| panic!("{url} is no http://host:port")), host: host.to_owned() }
    }

    /// Plays one request on a connection of its own. The error tells how the connection failed.
    pub fn play(&self, request: &Request) -> Result<Got, String> {
        let answered = panic::catch_unwind(|| {
            let mut client = Client::connect(self.address);
            client.try_send(&self.bytes(request));
            if request.method == "HEAD" {
                let (status, head) = client.head();
                return Got { status, headers: headers(&head), body: Vec::new() };
            }
            let reply = client.reply();
            Got { status: reply.status, headers: headers(&reply.head), body: reply.body }
        });
        answered.map_err(|_| "the connection failed before the whole answer came".to_owned())
    }

    fn bytes(&self, request: &Request) -> Vec<u8> {
        let body = match (&request.json, &request.body, &request.file) {
            (Some(json), _, _) => json.to_string().into_bytes(),
            (_, Some(body), _) => body.clone().into_bytes(),
            (_, _, Some(file)) => gguf(file).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut lines = vec![format!("{} {} HTTP/1.1", request.method, request.path)];
        if !request.headers.contains_key("Host") {
            lines.push(format!("Host: {}", self.host));
        }
        lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if request.method == "POST" || !body.is_empty() {
            lines.push("Content-Type: application/json".to_owned());
            lines.push(format!("Content-Length: {}", body.len()));
        }
        [lines.join("\r\n").as_bytes(), b"\r\n\r\n", &body].concat()
    }
}

/// The file of that name, if it is here.
pub fn gguf(name: &str) -> Option<Vec<u8>> {
    let path = match name {
        "minilm.gguf" => std::env::var_os(MINILM)?.into(),
        name => data("llamita").join(name),
    };
    Some(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn headers(head: &str) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match joined.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = format!("{before}, {value}"),
            None => joined.push((name, value.to_owned())),
        }
    }
    joined
}

#[test]
fn repeated_headers_are_joined() {
    let head = "HTTP/1.1 204 No Content\r\nVary: Origin\r\nAllow: POST\r\nvary: Accept\r\n";
    let joined = headers(head);
    let expected = [("vary", "Origin, Accept"), ("allow", "POST")];
    assert_eq!(joined, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
