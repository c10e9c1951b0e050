//! SIGTERM: no new connections, running streams end whole, exit 0. A second signal ends at once.

use std::time::Duration;

use crate::server::{Client, DRIVERS, Server};

fn stream(server: &Server, events: u32, interval_us: u32) -> Client {
    let mut client = server.connect();
    client.post("/debug/stream", &format!(r#"{{"events":{events},"interval_us":{interval_us},"text_bytes":20}}"#));
    assert_eq!(client.head().0, 200);
    assert!(client.chunk().is_some_and(|chunk| !chunk.is_empty()));
    client
}

#[test]
fn sixteen_streams_end_whole_and_the_server_exits_with_0() {
    for driver in DRIVERS {
        let mut server = Server::start(&["--driver", driver]);
        let mut idle = server.connect();
        assert_eq!(idle.request("GET", "/api/version", "").status, 200);
        let mut clients: Vec<Client> = (0..16).map(|_| stream(&server, 40, 20_000)).collect();
        Server::signal(server.pid(), "TERM");
        for client in &mut clients {
            let mut events = 1;
            loop {
                let chunk = client.chunk().unwrap_or_else(|| panic!("{driver}: cut after {events} events"));
                if chunk.is_empty() {
                    break;
                }
                events += 1;
            }
            assert!(events >= 40, "{driver}: {events} events");
        }
        assert!(idle.is_closed(), "{driver}: an idle connection is closed");
        assert_eq!(server.wait().code(), Some(0), "{driver}");
    }
}

#[test]
fn new_connections_are_refused_while_streams_end() {
    let mut server = Server::start(&[]);
    let mut client = stream(&server, 60, 20_000);
    Server::signal(server.pid(), "TERM");
    std::thread::sleep(Duration::from_millis(400));
    let refused = std::net::TcpStream::connect(server.address);
    let answered = refused.is_ok_and(|stream| {
        use std::io::{Read, Write};
        let mut stream = stream;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        !bytes.is_empty()
    });
    assert!(!answered, "a connection was served after SIGTERM");
    while client.chunk().is_some_and(|chunk| !chunk.is_empty()) {}
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&[]);
    let _client = stream(&server, 10_000, 50_000);
    Server::signal(server.pid(), "TERM");
    std::thread::sleep(Duration::from_millis(50));
    Server::signal(server.pid(), "TERM");
    assert_ne!(server.wait().code(), Some(0));
}

#[test]
fn streams_past_the_drain_time_are_cut() {
    let mut server = Server::start_with(&[], &[("LLAMERO_DRAIN_TIMEOUT", "500ms")]);
    let _client = stream(&server, 10_000, 50_000);
    Server::signal(server.pid(), "TERM");
    assert_eq!(server.wait().code(), Some(0));
}
