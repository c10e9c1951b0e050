//! Streams without a model: framing, fields, and what a leaving client leaves behind.

use std::time::{Duration, Instant};

use crate::server::{DRIVERS, Server};

#[test]
fn a_stream_is_ndjson_in_chunks_with_ollamas_fields() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let reply = server.post("/debug/stream", r#"{"events":20,"interval_us":500,"text_bytes":11}"#);
        assert_eq!(reply.status, 200, "{driver}");
        let head = reply.head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/x-ndjson\r\n"), "{driver}: {head}");
        let lines = reply.lines();
        let (last, events) = lines.split_last().expect("events");
        assert_eq!(events.len(), 20, "{driver}");
        for event in events {
            let keys: Vec<&String> = event.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["model", "created_at", "response", "done"], "{driver}");
            assert_eq!(event["response"].as_str().map(str::len), Some(11), "{driver}");
        }
        assert_eq!(last["done"], true, "{driver}");
    }
}

#[test]
fn a_client_that_leaves_frees_its_sequence_within_50_ms() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let mut client = server.connect();
        client.post("/debug/stream", r#"{"events":1000000,"interval_us":1000,"text_bytes":11}"#);
        client.chunk();
        server.await_count("it runs", |count| count["running"] == 1);
        let left = Instant::now();
        drop(client);
        server.await_count("it is freed", |count| count["running"] == 0);
        assert!(left.elapsed() < Duration::from_millis(50), "{driver}: {:?}", left.elapsed());
    }
}

#[test]
fn two_hundred_streams_that_leave_give_every_slot_back() {
    let server = Server::start(&[]);
    for _ in 0..4 {
        let clients: Vec<_> = (0..50)
            .map(|_| {
                let mut client = server.connect();
                client.post("/debug/stream", r#"{"events":100000,"interval_us":300,"text_bytes":11}"#);
                client.head();
                client
            })
            .collect();
        drop(clients);
    }
    let all_back = |count: &serde_json::Value| count["running"] == 0 && count["slots_free"] == 4096;
    server.await_count("all slots are back", all_back);
    assert_eq!(server.count()["cores"][0]["connections"], 1, "only the one that asks");
}

#[test]
fn a_slow_client_does_not_hold_up_another() {
    let server = Server::start(&[]);
    let mut slow = server.connect();
    slow.post("/debug/stream", r#"{"events":1000000,"interval_us":0,"text_bytes":400}"#);
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    let quick = server.post("/debug/stream", r#"{"events":50,"interval_us":1000,"text_bytes":11}"#);
    assert_eq!(quick.lines().len(), 51);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
