//! `/api/blobs/:digest`: what comes in lies there whole, and what goes wrong leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use llamero::model::Digest;

use crate::server::{Client, DRIVERS, PATIENCE, Server};

/// Bytes that repeat nowhere within a piece.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// The head of an upload and, for a chunked one, nothing more.
pub fn begin(client: &mut Client, digest: &str, more: &str) {
    client.send(format!("POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").as_bytes());
}

pub fn upload(client: &mut Client, bytes: &[u8]) -> u16 {
    begin(client, &Digest::of(bytes).to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
    client.send(bytes);
    client.reply().status
}

/// The same in chunks of these sizes, again and again.
fn upload_chunked(client: &mut Client, bytes: &[u8], sizes: &[usize]) -> u16 {
    begin(client, &Digest::of(bytes).to_string(), "Transfer-Encoding: chunked\r\n");
    let mut body = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        if chunk.is_empty() {
            break;
        }
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
        rest = after;
    }
    body.extend_from_slice(b"0\r\n\r\n");
    client.send(&body);
    client.reply().status
}

/// The names in the folder of blobs.
pub fn names(models: &Path) -> Vec<String> {
    let entries = fs::read_dir(models.join("blobs")).expect("the folder of blobs");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a name").file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until the folder of blobs holds these: a client that leaves is noticed in its own time.
pub fn await_names(models: &Path, expected: &[String], what: &str) {
    let until = Instant::now() + PATIENCE;
    while names(models) != expected {
        assert!(Instant::now() < until, "{what}: {:?}", names(models));
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn blobs_of_all_sizes_lie_there_whole() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let mut client = server.connect();
        let mut expected = Vec::new();
        for (at, size) in [0, 1, 16_385, 262_144, 262_145, 327_681, 2_000_003].into_iter().enumerate() {
            for chunked in [false, true] {
                let mut bytes = pattern(size + usize::from(chunked));
                bytes.extend_from_slice(&[at as u8, u8::from(chunked)]);
                let digest = Digest::of(&bytes);
                let what = format!("{driver} {size} {chunked}");
                let path = format!("/api/blobs/{digest}");
                assert_eq!(server.connect().request("GET", &path, "").status, 405, "{what}");
                let status = if chunked {
                    upload_chunked(&mut client, &bytes, &[1, 70_000, 32_768, 300_000, 7])
                } else {
                    upload(&mut client, &bytes)
                };
                assert_eq!(status, 201, "{what}");
                let file = server.models.join("blobs").join(digest.file_name());
                assert!(fs::read(&file).expect(&what) == bytes, "{what}: other bytes");
                assert_eq!(file.metadata().expect(&what).permissions().mode() & 0o777, 0o644, "{what}");
                assert_eq!(upload(&mut client, &bytes), 200, "{what}: it is there already");
                client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
                assert_eq!(client.head().0, 200, "{what}");
                expected.push(digest.file_name());
            }
        }
        expected.sort();
        assert_eq!(names(&server.models), expected, "{driver}");
        // A body of nothing at all has a digest, too.
        assert_eq!((upload(&mut client, b""), upload(&mut client, b"")), (201, 200), "{driver}");
    }
}

/// RFC 9110 section 10.1.1: a final status instead of 100 tells the client not to send the body.
#[test]
fn a_client_that_waits_for_100_is_spared_what_is_there() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let bytes = pattern(100_000);
        let head = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", bytes.len());
        let digest = Digest::of(&bytes).to_string();
        let mut client = server.connect();
        begin(&mut client, &digest, &head);
        assert_eq!(client.head().0, 100, "{driver}");
        client.send(&bytes);
        assert_eq!(client.reply().status, 201, "{driver}");
        begin(&mut client, &digest, &head);
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{driver}");
        assert!(
            reply.head.contains("Connection: close"),
            "{driver}: whether the body comes is unclear: {}",
            reply.head
        );
        assert!(client.is_closed(), "{driver}");
    }
}

#[test]
fn what_is_not_whole_leaves_nothing_behind() {
    for driver in DRIVERS {
        let server = Server::start_with(&["--driver", driver], &[("LLAMERO_READ_TIMEOUT", "600ms")]);
        let bytes = pattern(900_000);
        let digest = Digest::of(&bytes);
        let length = format!("Content-Length: {}\r\n", bytes.len());
        let nothing = |what: &str| await_names(&server.models, &[], &format!("{driver}: {what}"));

        let mut client = server.connect();
        let other = Digest::of(b"another");
        begin(&mut client, &other.to_string(), &length);
        client.send(&bytes);
        let reply = client.reply();
        let text = format!(r#"{{"error":"digest mismatch, expected \"{other}\", got \"{digest}\""}}"#);
        assert_eq!((reply.status, reply.text()), (400, text), "{driver}");
        assert_eq!(names(&server.models), [""; 0], "{driver}: with the answer nothing is left");

        // The same connection goes on; a hyphen names the right blob, but texts are compared.
        begin(&mut client, &digest.file_name(), &length);
        client.send(&bytes);
        let reply = client.reply();
        let text = format!(r#"{{"error":"digest mismatch, expected \"{}\", got \"{digest}\""}}"#, digest.file_name());
        assert_eq!((reply.status, reply.text()), (400, text), "{driver}");
        assert_eq!(names(&server.models), [""; 0], "{driver}");

        for sent in [0, 1, 262_144, 700_000, 899_999] {
            let mut client = server.connect();
            begin(&mut client, &digest.to_string(), &length);
            client.send(&bytes[..sent]);
            drop(client);
            nothing("the client left");
        }
        let mut client = server.connect();
        begin(&mut client, &digest.to_string(), "Transfer-Encoding: chunked\r\n");
        client.send(&[b"80000\r\n", &bytes[..0x80000], b"x"].concat());
        assert_eq!(client.reply().status, 400, "{driver}: a chunk ends wrong");
        nothing("a chunk ended wrong");
        let mut client = server.connect();
        begin(&mut client, &digest.to_string(), &length);
        client.send(&bytes[..600_000]);
        assert_eq!(client.reply().status, 408, "{driver}: it stands still");
        nothing("it stood still");
        let mut client = server.connect();
        begin(&mut client, &digest.to_string(), &format!("Content-Length: {}\r\n", 1_u64 << 60));
        assert_eq!(client.reply().status, 413, "{driver}");
        nothing("it was too large");
        assert_eq!(upload(&mut server.connect(), &bytes), 201, "{driver}: and the next one works");
    }
}

/// Four clients send one blob at once, turn by turn; one of them sends something else.
#[test]
fn one_blob_may_come_from_several_at_once() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        let bytes = pattern(1_500_000);
        let digest = Digest::of(&bytes);
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for client in &mut clients {
            begin(client, &digest.to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
        }
        for part in bytes.chunks(100_000) {
            for (number, client) in clients.iter_mut().enumerate() {
                if number == 3 {
                    client.send(&vec![0; part.len()]);
                } else {
                    client.send(part);
                }
            }
        }
        let statuses: Vec<u16> = clients.iter_mut().map(|client| client.reply().status).collect();
        assert_eq!(statuses, [201, 201, 201, 400], "{driver}");
        await_names(&server.models, &[digest.file_name()], driver);
        assert!(fs::read(server.models.join("blobs").join(digest.file_name())).unwrap() == bytes, "{driver}");
    }
}

/// Waits until so many files are in the folder of blobs.
pub fn await_files(models: &Path, count: usize) {
    let until = Instant::now() + PATIENCE;
    while names(models).len() < count {
        assert!(Instant::now() < until, "nothing is written");
        sleep(Duration::from_millis(1));
    }
}
