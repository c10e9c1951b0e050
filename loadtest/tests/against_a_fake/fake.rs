//! The fake server as a process, and the harness as another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A fake server that ends with the test.
pub struct Fake {
    pub process: Child,
    pub url: String,
}

impl Fake {
    pub fn start(flags: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_llamero-loadtest"))
            .arg("fake")
            .args(flags.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url }
    }

    /// What the server meant to do.
    pub fn truth(&self) -> Value {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /fake/truth HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Runs the harness.
    pub fn load(&self, flags: &str) -> (Output, Value) {
        measure(&format!("run --url {} {flags}", self.url))
    }

    pub fn load_well(&self, flags: &str) -> Value {
        let (output, json) = self.load(flags);
        assert!(output.status.success(), "{flags}: {output:?}");
        json
    }
}

/// Carries out a command of the harness: how it ended, and its JSON result.
pub fn measure(command: &str) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_llamero-loadtest"))
        .args(command.split_whitespace())
        .args(["--json", json.to_str().unwrap()])
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    (output, serde_json::from_str(&text).unwrap_or_default())
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn number(json: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(json, |value, key| &value[key]);
    found.as_f64().unwrap_or_else(|| panic!("no {path} in {json}"))
}

/// Whether a time is the known one. Never below it: a busy machine makes times longer, not shorter.
pub fn near(json: &Value, path: &str, want: f64) -> Result<(), String> {
    let got = number(json, path);
    ensure(got > want * 0.97 && got < want * 1.5 + 5.0, || format!("{path}: {got}, known is {want}"))
}

/// What went wrong, unless it is so.
pub fn ensure(is_so: bool, else_told: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(else_told()) }
}

/// Tries up to three times what depends on how long things take: a machine may be busy with something else for a
/// moment. What must hold on any machine is asserted by the test, and not tried again.
pub fn in_one_of_three(mut measured: impl FnMut() -> Result<(), String>) {
    let told: Vec<_> = (0..3).map_while(|_| measured().err()).collect();
    assert!(told.len() < 3, "{told:#?}");
}
