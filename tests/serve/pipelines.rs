//! Requests behind one another on a connection, and HTTP/1.0.

use crate::server::{DRIVERS, Server};

#[test]
fn pipelined_requests_are_answered_in_order() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let mut client = server.connect();
        let mut bytes = Vec::new();
        for path in ["/api/version", "/", "/nope", "/api/ps", "/api/generate"] {
            bytes.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        }
        client.send(&bytes);
        let replies: Vec<(u16, String)> = (0..5).map(|_| client.reply()).map(|r| (r.status, r.text())).collect();
        assert_eq!(replies[0], (200, format!(r#"{{"version":"{}"}}"#, env!("CARGO_PKG_VERSION"))), "{driver}");
        assert_eq!(replies[1], (200, "Ollama is running".into()), "{driver}");
        assert_eq!(replies[2], (404, "404 page not found".into()), "{driver}");
        assert_eq!(replies[3], (200, r#"{"models":[]}"#.into()), "{driver}");
        assert_eq!(replies[4], (405, "405 method not allowed".into()), "{driver}");
    }
}

#[test]
fn a_request_behind_a_stream_is_answered_after_it() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let mut client = server.connect();
        let body = r#"{"events":10,"interval_us":5000,"text_bytes":8}"#;
        let first =
            format!("POST /debug/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        // Half of the next request comes with the first, the rest while it streams.
        client.send(format!("{first}GET /api/ver").as_bytes());
        assert_eq!(client.head().0, 200, "{driver}");
        client.chunk();
        client.send(b"sion HTTP/1.1\r\nHost: localhost\r\n\r\n");
        while client.chunk().is_some_and(|chunk| !chunk.is_empty()) {}
        assert_eq!(client.reply().status, 200, "{driver}");
    }
}

#[test]
fn http_1_0_gets_no_chunks_and_a_closed_connection() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let body = r#"{"events":5,"interval_us":1000,"text_bytes":8}"#;
    client.send(format!("POST /debug/stream HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    let reply = client.reply();
    assert!(!reply.head.to_ascii_lowercase().contains("transfer-encoding"), "{}", reply.head);
    let lines = reply.lines();
    assert!(lines.len() >= 5, "{lines:?}");
    assert_eq!(lines.last().map(|line| line["done"].clone()), Some(true.into()));
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.head().0, 100);
    client.send(b"{}");
    assert_eq!(client.reply().status, 404);
}

#[test]
fn head_has_the_length_of_get_and_no_body() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(b"HEAD /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (status, head) = client.head();
    assert_eq!(status, 200);
    assert!(head.contains("Content-Length: 19"), "{head}");
    assert_eq!(client.request("GET", "/", "").text(), "Ollama is running");
}
