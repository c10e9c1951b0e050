//! A store and a workshop for one test.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llamero::convert::{Job, Limits, Work};
use llamero::model::Digest;
use llamero::store::Store;
use llamero::worker::{Rules, Workshop};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_llamero");

/// The digest of llamita's GGUF.
pub const LLAMITA: &str = "sha256:42848f30765b98a18d6ed6818d1a89961e2357660d6a1ffce55df523b5b176f5";

pub fn llamita() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llamita/llamita-f16.gguf")).unwrap()
}

pub struct Place {
    pub folder: TempDir,
    pub store: Arc<Store>,
    pub workshop: Workshop,
}

impl Place {
    pub fn new() -> Self {
        Self::with(Rules::default())
    }

    pub fn with(rules: Rules) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        Self { folder, store, workshop: Workshop::start(PROGRAM.into(), rules).unwrap() }
    }

    pub fn upload(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        if let Some(mut writer) = self.store.blobs().begin(digest).unwrap() {
            writer.write(bytes).unwrap();
            writer.commit().unwrap();
        }
        digest
    }

    /// Probes a file; what it comes to, in words.
    pub fn probe(&self, bytes: &[u8]) -> String {
        let digest = self.upload(bytes);
        match self.workshop.probe(&self.store, digest).and_then(|task| task.wait(|_| true)) {
            Ok(facts) => format!("loads {} {} {}", facts.writes_text, facts.vocabulary, facts.trained_context),
            Err(error) => format!("{}: {error}", error.status()),
        }
    }

    /// The names in the folder of blobs, in order.
    pub fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("blobs")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The file of a verdict.
    pub fn verdict(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder.path().join("llamero/verdicts").join(digest.file_name())
    }
}

/// Runs a worker by hand in `folder`; what it said, and whether it ended well.
pub fn by_hand(folder: &Path, work: Work, limits: Limits) -> (String, bool) {
    let mut child = Command::new(PROGRAM)
        .arg("worker")
        .current_dir(folder)
        .env("GGML_NO_BACKTRACE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let job = Job { parent: std::process::id(), limits, work };
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", serde_json::to_string(&job).unwrap()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
