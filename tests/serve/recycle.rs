//! A spent engine is replaced by a fresh one, and no client notices.

use std::collections::HashSet;
use std::thread;
use std::time::Instant;

use crate::server::{DRIVERS, PATIENCE, Server};

fn ask(server: &Server, keep_alive: &str) -> String {
    let body = format!(
        r#"{{"model":"llamita","prompt":"Hello","stream":false,"keep_alive":{keep_alive},"options":{{"temperature":0}}}}"#
    );
    let reply = server.post("/api/generate", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["response"].as_str().unwrap_or_default().to_owned()
}

fn await_another(server: &Server, old: u32) -> u32 {
    let until = Instant::now() + PATIENCE;
    loop {
        match server.engine_pid() {
            Some(pid) if pid != old => return pid,
            _ => assert!(Instant::now() < until, "the engine {old} stays"),
        }
        thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn the_engine_is_replaced_when_its_last_model_has_gone_and_not_before() {
    let server = Server::start(&[]);
    server.create_llamita();
    server.await_count("the engine is up", |count| count["engine_pid"].is_u64());
    let first = server.engine_pid().expect("an engine");
    assert_eq!(ask(&server, "60"), "Hello! How can I help you?");
    assert_eq!(server.engine_pid(), Some(first), "it holds a model");
    let unload = server.post("/api/generate", r#"{"model":"llamita","keep_alive":0}"#);
    assert_eq!(unload.json()["done_reason"], "unload");
    let second = await_another(&server, first);
    assert_eq!(server.get("/api/ps").text(), r#"{"models":[]}"#);
    assert_eq!(ask(&server, "60"), "Hello! How can I help you?");
    assert_eq!(server.engine_pid(), Some(second));
    let log = server.log();
    assert!(!log.contains("the engine has gone") && !log.contains("ERROR"), "{log}");
}

#[test]
fn requests_that_come_while_engines_change_are_answered() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver, "--cores", "2"]);
        server.create_llamita();
        let mut engines = HashSet::new();
        thread::scope(|scope| {
            let clients: Vec<_> = (0..3_u64)
                .map(|client| {
                    let server = &server;
                    scope.spawn(move || {
                        let mut engines = HashSet::new();
                        for round in 0..15 {
                            assert_eq!(ask(server, "0"), "Hello! How can I help you?", "{driver}");
                            engines.extend(server.engine_pid());
                            // Pauses of all lengths, so that requests meet every moment of a change.
                            thread::sleep(std::time::Duration::from_micros((client * 977 + round * 1361) % 30_000));
                        }
                        engines
                    })
                })
                .collect();
            for client in clients {
                engines.extend(client.join().expect("a client"));
            }
        });
        assert!(engines.len() > 2, "{driver}: {engines:?}");
        let log = server.log();
        assert!(!log.contains("the engine has gone") && !log.contains("ERROR"), "{driver}: {log}");
    }
}
