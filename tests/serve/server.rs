//! A real `llamero serve` on a free port, and a client that speaks HTTP byte by byte.

// Several test programs have this file, and none uses all of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything in these tests may take that should take milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The two drivers that every network test runs on.
pub const DRIVERS: [&str; 2] = ["io_uring", "epoll"];

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The folder of its store.
    pub models: PathBuf,
    /// The same, where it is deleted with the server.
    _own_models: Option<tempfile::TempDir>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server with diagnostic routes on a store of its own.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_with(arguments, &[])
    }

    /// Starts a server with further environment variables.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let models = tempfile::tempdir().expect("a folder for the store");
        let mut command = Command::new(env!("CARGO_BIN_EXE_llamero"));
        command.envs(environment.iter().copied());
        let path = models.path().to_owned();
        Server::spawn(command, &path, Some(models), arguments)
    }

    /// Starts a server on a store that outlives it. `command` is the binary, or a command that runs it.
    pub fn run(command: Command, models: &Path, arguments: &[&str]) -> Server {
        Server::spawn(command, models, None, arguments)
    }

    fn spawn(mut command: Command, models: &Path, own_models: Option<tempfile::TempDir>, arguments: &[&str]) -> Server {
        let mut child = command
            .arg("serve")
            .arg("--diagnostics")
            .args(arguments)
            .env("OLLAMA_HOST", "127.0.0.1:0")
            .env("OLLAMA_MODELS", models)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let sink = log.clone();
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(at) = line.find("listening on ") {
                    let address = line[at + 13..].split_whitespace().next().unwrap_or_default().to_owned();
                    let _ = sender.send(address);
                }
                let mut log = sink.lock().expect("log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = receiver.recv_timeout(PATIENCE).expect("the server says where it listens");
        let address = address.parse().expect("an address");
        Server { child, address, models: models.to_owned(), _own_models: own_models, log }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// Waits until the server has logged this.
    pub fn await_log(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "not in the log: {text}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Process id of its engine, if that is a child.
    #[cfg(feature = "llama")]
    pub fn engine_pid(&self) -> Option<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let of_thread = std::fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
        let mut all = std::fs::read_to_string(children).unwrap_or_default();
        for task in of_thread.flatten() {
            all.push_str(&std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        }
        all.split_whitespace().next()?.parse().ok()
    }

    /// Sends a signal to a process.
    pub fn signal(pid: u32, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{signal} {pid}");
    }

    /// Waits for the server to end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(Instant::now() < until, "the server does not end\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Opens a connection.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One GET on a connection of its own.
    pub fn get(&self, path: &str) -> Reply {
        self.connect().request("GET", path, "")
    }

    /// One POST on a connection of its own.
    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.connect().request("POST", path, body)
    }

    /// What the engine holds, as it says.
    pub fn count(&self) -> serde_json::Value {
        serde_json::from_slice(&self.get("/debug/engine").body).expect("a count")
    }

    /// Waits until `check` holds for the engine's count.
    pub fn await_count(&self, what: &str, check: impl Fn(&serde_json::Value) -> bool) -> Duration {
        let begin = Instant::now();
        loop {
            let count = self.count();
            if check(&count) {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: {count}\n{}", self.log());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Puts llamita into the store by the routes, as `llamita`.
    #[cfg(feature = "llama")]
    pub fn create_llamita(&self) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/llamita/llamita-f16.gguf");
        self.create("llamita", &std::fs::read(path).expect("llamita"));
    }

    /// Puts a GGUF into the store by the routes.
    #[cfg(feature = "llama")]
    pub fn create(&self, name: &str, bytes: &[u8]) {
        let digest = llamero::model::Digest::of(bytes).to_string();
        let mut client = self.connect();
        client.send(
            format!("POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", bytes.len())
                .as_bytes(),
        );
        client.send(bytes);
        assert_eq!(client.reply().status, 201);
        let body = format!(r#"{{"model":"{name}","files":{{"{name}.gguf":"{digest}"}},"stream":false}}"#);
        let reply = self.post("/api/create", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}

/// A reply with its body unframed.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The lines of an NDJSON body.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        let reader = BufReader::new(stream.try_clone().expect("clone"));
        Client { stream, reader }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    /// Sends what the server may refuse to read: errors are its answer.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn post(&mut self, path: &str, body: &str) {
        self.send(
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        );
    }

    pub fn request(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{body}").as_bytes());
        self.reply()
    }

    /// Reads the head of a reply.
    pub fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).expect("head") > 0, "closed within the head: {head:?}");
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head:?}"));
        (status, head)
    }

    /// Reads one chunk; empty is the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes).ok()?;
        bytes.truncate(size);
        Some(bytes)
    }

    /// Reads a whole reply.
    pub fn reply(&mut self) -> Reply {
        let (status, head) = self.head();
        let lower = head.to_ascii_lowercase();
        let mut body = Vec::new();
        if lower.contains("transfer-encoding: chunked") {
            loop {
                let chunk = self.chunk().expect("a whole chunk");
                if chunk.is_empty() {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
        } else if let Some(at) = lower.find("content-length: ") {
            let length = lower[at + 16..].lines().next().and_then(|length| length.trim().parse().ok()).expect("length");
            body.resize(length, 0);
            self.reader.read_exact(&mut body).expect("body");
        } else if !lower.contains("http/1.1 204") {
            self.reader.read_to_end(&mut body).expect("body");
        }
        Reply { status, head, body }
    }

    /// Whether the server has closed the connection (and sent nothing more).
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
