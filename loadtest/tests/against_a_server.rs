//! The real load client against a small server: what is sent, what is counted, on both drivers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

/// Serves `answer` to every request, on threads that end with the test.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            thread::spawn(move || serve(&stream, answer));
        }
    });
    address
}

fn serve(mut to: &TcpStream, answer: &str) {
    let mut from = BufReader::new(to);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("Content-Length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).unwrap();
        assert!(body.is_empty() || serde_json::from_slice::<Value>(&body).unwrap()["stream"] == true);
        to.write_all(answer.as_bytes()).unwrap();
    }
}

fn load(address: SocketAddr, flags: &str) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_llamero-loadtest"))
        .args(["run", "--url", &format!("http://{address}"), "--json", json.to_str().unwrap()])
        .args(flags.split(' '))
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    (output, serde_json::from_str(&text).unwrap_or_default())
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    f\r\n{\"done\":false}\n\r\nf\r\n{\"done\":false}\n\r\n\
    2b\r\n{\"done\":true,\"eval_count\":2,\"prompt_eval_co\r\na\r\nunt\":85}\r\n\r\n0\r\n\r\n";

#[test]
fn a_stream_is_counted_on_both_drivers() {
    let address = server(STREAM);
    for driver in ["", " --epoll"] {
        let pid = std::process::id();
        let flags = format!("--api generate --model m --requests 4000 --warmup 5 --concurrency 4 --pid {pid}{driver}");
        let (output, json) = load(address, &flags);
        assert!(output.status.success(), "{output:?}");
        for (field, want) in
            [("requests", 4000), ("errors", 0), ("events", 8000), ("output_tokens", 8000), ("prompt_tokens", 340_000)]
        {
            assert_eq!(json[field], want, "{field} in {json}");
        }
        assert!(json["ttft_ms"]["max"].as_f64() <= json["e2e_ms"]["max"].as_f64(), "{json}");
        assert!(json["server_cpu_seconds"].as_f64() > Some(0.0), "{json}");
    }
}

#[test]
fn refusals_are_errors() {
    let address = server("HTTP/1.1 503 Busy\r\nContent-Length: 17\r\n\r\n{\"error\": \"full\"}");
    let (output, json) = load(address, "--api chat --model m --requests 3");
    assert!(!output.status.success());
    assert_eq!((&json["requests"], &json["errors_by_kind"]["status_5xx"]), (&Value::from(0), &Value::from(3)));
    let told = "status 503 {\"error\": \"full\"}";
    assert_eq!(json["first_errors"]["status_5xx"], told);
    for text in [output.stdout, output.stderr] {
        assert!(String::from_utf8_lossy(&text).contains(told), "{text:?}");
    }
}

#[test]
fn a_server_that_is_gone_does_not_hang_the_run() {
    // Port 1 belongs to no one, and no client gets it as its own.
    let (output, json) = load(SocketAddr::from(([127, 0, 0, 1], 1)), "--api http --requests 1000 --concurrency 2");
    assert!(!output.status.success());
    assert_eq!(json["errors_by_kind"]["connect"], 40, "20 in a row on each connection: {json}");
}
