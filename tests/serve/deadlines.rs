//! Deadlines of progress: what stands still gets 408 or is cut, what moves is never too long.

use std::thread::sleep;
use std::time::Duration;

use crate::server::{DRIVERS, Server};

fn server(driver: &str) -> Server {
    Server::start_with(&["--driver", driver], &[("LLAMERO_READ_TIMEOUT", "600ms"), ("LLAMERO_WRITE_TIMEOUT", "2s")])
}

#[test]
fn a_head_that_stands_still_gets_408() {
    for driver in DRIVERS {
        let server = server(driver);
        let mut client = server.connect();
        client.send(b"GET /api/version HTTP/1.1\r\nHo");
        let reply = client.reply();
        assert_eq!(reply.status, 408, "{driver}");
        assert!(reply.text().starts_with(r#"{"error":""#), "{driver}: {}", reply.text());
        assert!(client.is_closed(), "{driver}");
    }
}

#[test]
fn a_head_that_drips_gets_408() {
    let server = server("io_uring");
    let mut client = server.connect();
    for byte in b"GET /api/version HTTP/1.1\r\n" {
        if !client.try_send(&[*byte]) {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    assert_eq!(client.reply().status, 408);
}

#[test]
fn a_body_that_stands_still_gets_408() {
    for driver in DRIVERS {
        for start in ["Content-Length: 100\r\n\r\n{\"mod", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"m"] {
            let server = server(driver);
            let mut client = server.connect();
            client.send(format!("POST /api/generate HTTP/1.1\r\nHost: localhost\r\n{start}").as_bytes());
            assert_eq!(client.reply().status, 408, "{driver} {start:?}");
            assert!(client.is_closed(), "{driver} {start:?}");
        }
    }
}

#[test]
fn a_body_that_moves_is_never_too_long() {
    let server = server("io_uring");
    let mut client = server.connect();
    client.send(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n");
    for byte in br#"{"model":"nope"}"# {
        client.send(&[*byte]);
        sleep(Duration::from_millis(120));
    }
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str()), (404, r#"{"error":"model 'nope' not found"}"#));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_and_its_sequence_freed() {
    for driver in DRIVERS {
        let server = server(driver);
        let mut client = server.connect();
        client.post("/debug/stream", r#"{"events":1000000,"interval_us":0,"text_bytes":400}"#);
        server.await_count("the stream runs", |count| count["running"] == 1);
        server.await_count("and ends", |count| count["running"] == 0 && count["waiting"] == 0);
        assert_eq!(server.count()["slots_free"], 4096, "{driver}");
        // A client beside it was never held up.
        assert_eq!(server.get("/api/version").status, 200, "{driver}");
    }
}
