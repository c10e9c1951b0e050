//! Every refused class of requests, whole and split at every byte, on both drivers.

use std::thread;
use std::time::Duration;

use crate::server::{Client, DRIVERS, Server};

#[path = "../data/http_refused.rs"]
mod table;

/// Sends `bytes` in the pieces that `cut` makes and checks the refusal.
fn check(server: &Server, row: &table::Refused, cut: Option<usize>) {
    let mut client = Client::connect(server.address);
    let what = format!("{} cut at {cut:?}", row.name);
    match cut {
        None => _ = client.try_send(&row.bytes),
        Some(at) => {
            if client.try_send(&row.bytes[..at]) {
                // Long enough for the server to read the first piece by itself, most of the time.
                thread::sleep(Duration::from_micros(200));
                client.try_send(&row.bytes[at..]);
            }
        }
    }
    let reply = client.reply();
    assert_eq!(reply.status, row.status, "{what}: {}", reply.text());
    assert!(reply.head.to_ascii_lowercase().contains("connection: close"), "{what}: {}", reply.head);
    let error = reply.json();
    assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {error}");
    assert!(client.is_closed(), "{what}: not closed");
}

/// Rows say what is wrong and nothing more; a server also looks at the host, and at the path before the body.
fn for_a_server(bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let text = text.replace("Host: a\r\n", "Host: localhost\r\n").replacen("POST / ", "POST /api/generate ", 1);
    text.chars().map(|char| char as u8).collect()
}

#[test]
fn every_refused_class_is_refused_and_the_server_lives() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        for mut row in table::refused_requests() {
            row.bytes = for_a_server(&row.bytes);
            check(&server, &row, None);
            // Long rows are long in one repeated place: 64 cuts spread over them say as much as all.
            let step = (row.bytes.len() / 64).max(1);
            for at in (1..row.bytes.len()).step_by(step) {
                check(&server, &row, Some(at));
            }
        }
        assert_eq!(server.get("/api/version").status, 200, "{driver}");
    }
}
