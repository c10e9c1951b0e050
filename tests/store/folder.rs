//! A folder of models for one test, and files to fill it with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use llamero::model::{Digest, Name};
use llamero::store::Store;
use serde_json::Value;
use tempfile::TempDir;

/// The digest of llamita's GGUF.
pub const LLAMITA: &str = "sha256:42848f30765b98a18d6ed6818d1a89961e2357660d6a1ffce55df523b5b176f5";

pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

pub fn llamita() -> Vec<u8> {
    fs::read(data("llamita/llamita-f16.gguf")).unwrap()
}

pub fn expected() -> Value {
    serde_json::from_slice(&fs::read(data("stores/expected.json")).unwrap()).unwrap()
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A folder of models for one test.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A copy of what Ollama wrote, with the times of its manifests.
    pub fn recorded() -> Self {
        let folder = Self::new();
        let copied = Command::new("cp").arg("-r").arg(data("stores/ollama/.")).arg(folder.0.path()).status().unwrap();
        assert!(copied.success());
        for model in expected()["tags"]["models"].as_array().unwrap() {
            let time: jiff::Timestamp = model["modified_at"].as_str().unwrap().parse().unwrap();
            let path = folder.manifest(model["name"].as_str().unwrap());
            File::options().write(true).open(path).unwrap().set_modified(time.into()).unwrap();
        }
        folder
    }

    pub fn open(&self) -> Store {
        Store::open(self.0.path()).unwrap()
    }

    pub fn manifest(&self, text: &str) -> PathBuf {
        self.0.path().join("manifests").join(name(text).path())
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.0.path().join("blobs").join(digest.replace(':', "-"))
    }

    /// The names in the folder of blobs.
    pub fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path().join("blobs")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub fn upload(store: &Store, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    if let Some(mut writer) = store.blobs().begin(digest).unwrap() {
        bytes.chunks(10_000).for_each(|chunk| writer.write(chunk).unwrap());
        writer.commit().unwrap();
    }
    digest
}

pub fn listed(store: &Store) -> Vec<String> {
    store.refresh().unwrap().list().iter().map(|model| model.name.to_string()).collect()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A key with a text, as a GGUF has it.
pub fn word(key: &str, value: &str) -> Vec<u8> {
    [text(key), 8_u32.to_le_bytes().to_vec(), text(value)].concat()
}

/// A key with a number.
pub fn number(key: &str, value: u32) -> Vec<u8> {
    [text(key), 4_u32.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat()
}

/// A GGUF of an architecture that has all that a model must have: three numbers and a tensor. More keys may follow.
pub fn model_gguf(architecture: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let own = |key: &str, value| number(&format!("{architecture}.{key}"), value);
    let known = [own("block_count", 1), own("context_length", 64), own("embedding_length", 4)];
    let keys = [&[word("general.architecture", architecture)][..], &known, more].concat();
    let tensor = [
        text("token_embd.weight"),
        1_u32.to_le_bytes().to_vec(),
        4_u64.to_le_bytes().to_vec(),
        0_u32.to_le_bytes().to_vec(),
        0_u64.to_le_bytes().to_vec(),
    ];
    let counts = [1_u64.to_le_bytes(), (keys.len() as u64).to_le_bytes()].concat();
    let mut file = [&b"GGUF\x03\0\0\0"[..], &counts, &keys.concat(), &tensor.concat()].concat();
    file.resize(file.len().next_multiple_of(32) + 16, 0);
    file
}

/// A GGUF with these keys and no tensors.
pub fn gguf(keys: &[Vec<u8>]) -> Vec<u8> {
    [&b"GGUF\x03\0\0\0"[..], &[0; 8], &(keys.len() as u64).to_le_bytes(), &keys.concat()].concat()
}
