//! The engine dies: running streams are told, the front lives, the next request works.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Client, DRIVERS, PATIENCE, Server};

const STREAM: &str =
    r#"{"model":"llamita","prompt":"Repeat llama forever.","options":{"num_predict":100000,"temperature":0}}"#;

fn await_engine(server: &Server, other_than: Option<u32>) -> u32 {
    let until = Instant::now() + PATIENCE;
    loop {
        match server.engine_pid() {
            Some(pid) if Some(pid) != other_than => return pid,
            _ => assert!(Instant::now() < until, "no engine came up"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a stream to its end, which must be an error event and the last chunk.
fn ends_with_an_error(client: &mut Client, what: &str) {
    let mut last = Vec::new();
    loop {
        let chunk = client.chunk().unwrap_or_else(|| panic!("{what}: cut"));
        if chunk.is_empty() {
            break;
        }
        last = chunk;
    }
    let event: serde_json::Value = serde_json::from_slice(&last).expect("an event");
    let error = event["error"].as_str().unwrap_or_else(|| panic!("{what}: {event}"));
    assert!(error.starts_with("model runner has unexpectedly stopped"), "{what}: {error}");
    assert_eq!(event.as_object().map(serde_json::Map::len), Some(1), "{what}: {event}");
}

#[test]
fn twenty_kills_under_sixteen_streams() {
    let server = Server::start(&[]);
    server.create_llamita();
    let mut engine = await_engine(&server, None);
    for round in 0..20 {
        let signal = if round % 2 == 0 { "KILL" } else { "ABRT" };
        let mut clients: Vec<Client> = (0..16)
            .map(|_| {
                let mut client = server.connect();
                client.post("/api/generate", STREAM);
                client
            })
            .collect();
        for client in &mut clients {
            assert_eq!(client.head().0, 200, "round {round}");
        }
        Server::signal(engine, signal);
        let killed = Instant::now();
        for client in &mut clients {
            ends_with_an_error(client, &format!("round {round} {signal}"));
        }
        let next = server.post(
            "/api/generate",
            r#"{"model":"llamita","prompt":"Hello","stream":false,"options":{"temperature":0}}"#,
        );
        assert_eq!(next.json()["response"], "Hello! How can I help you?", "round {round}");
        assert!(killed.elapsed() < Duration::from_secs(3), "round {round}: {:?}", killed.elapsed());
        engine = await_engine(&server, Some(engine));
        // A connection that saw the crash serves on.
        assert_eq!(clients[0].request("GET", "/api/version", "").status, 200, "round {round}");
    }
}

#[test]
fn a_request_that_got_nothing_yet_gets_a_real_status() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let engine = await_engine(&server, None);
        let mut client = server.connect();
        client.post("/debug/stream", r#"{"events":5,"interval_us":60000000,"text_bytes":5}"#);
        server.await_count("it runs", |count| count["running"] == 1);
        Server::signal(engine, "KILL");
        let reply = client.reply();
        // The first event may have come at once; then the reply is a stream that ends with an error.
        if reply.status == 200 {
            assert!(
                reply.text().contains(r#"{"error":"model runner has unexpectedly stopped"#),
                "{driver}: {}",
                reply.text()
            );
        } else {
            assert_eq!(reply.status, 500, "{driver}: {}", reply.text());
        }
        assert_eq!(server.get("/api/version").status, 200, "{driver}");
    }
}

#[test]
fn the_engine_dies_with_its_server() {
    let mut server = Server::start(&[]);
    let engine = await_engine(&server, None);
    Server::signal(server.pid(), "KILL");
    server.wait();
    let until = Instant::now() + Duration::from_secs(5);
    while std::path::Path::new(&format!("/proc/{engine}")).exists() {
        let state = std::fs::read_to_string(format!("/proc/{engine}/stat")).unwrap_or_default();
        if state.contains(") Z ") {
            break;
        }
        assert!(Instant::now() < until, "the engine outlives its server: {}", json!(state));
        std::thread::sleep(Duration::from_millis(5));
    }
}
