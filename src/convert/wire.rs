//! What the front and a worker say to each other: one job as a line of JSON, then lines of JSON back.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::config::limits::{PROBE_BYTES_PER_MS, PROBE_MS, QUANTIZE_BYTES_PER_MS, QUANTIZE_MS, WORKER_MEMORY_BYTES};

/// All that a worker is told. It is started in the folder of its files and knows them by name only, so that no path of the
/// machine gets into what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Process id of the front: a worker whose front has gone does nothing.
    pub parent: u32,
    /// What it may use.
    pub limits: Limits,
    /// What it is for.
    pub work: Work,
}

/// The work of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Load a GGUF and compute a token with it.
    Probe {
        /// Name of the file.
        file: String,
    },
    /// Write a GGUF with other weights.
    Quantize {
        /// Name of the file that is read.
        file: String,
        /// Name of the file that is written; it is there already, and empty.
        into: String,
        /// What the weights become.
        kind: Kind,
    },
}

/// What a worker may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory that it writes to: heap and stacks. The mapped file does not count.
    pub memory_bytes: u64,
    /// Time until the front kills it.
    pub milliseconds: u64,
    /// Longest file that it may write.
    pub written_bytes: u64,
}

impl Limits {
    /// For a probe of a file of that length.
    pub fn of_probe(file_bytes: u64) -> Self {
        Self {
            memory_bytes: WORKER_MEMORY_BYTES.saturating_add(file_bytes),
            milliseconds: PROBE_MS + file_bytes / PROBE_BYTES_PER_MS,
            written_bytes: 0,
        }
    }

    /// For quantizing a file of that length. 16-bit weights that become 32-bit ones double; nothing grows more.
    pub fn of_quantizing(file_bytes: u64) -> Self {
        Self {
            memory_bytes: WORKER_MEMORY_BYTES.saturating_add(file_bytes),
            milliseconds: QUANTIZE_MS + file_bytes / QUANTIZE_BYTES_PER_MS,
            written_bytes: file_bytes.saturating_mul(2).saturating_add(1024 * 1024),
        }
    }
}

/// How far a worker is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of weights that are done.
    pub completed: u64,
    /// Bytes of weights in all; 0 while that is not known.
    pub total: u64,
}

/// What a probe has found out about a model that loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whether the engine can answer prompts with it: encoder-decoders load, but it refuses them.
    pub writes_text: bool,
    /// Entries of its vocabulary.
    pub vocabulary: u64,
    /// Context length that it was trained with, in tokens.
    pub trained_context: u32,
}

/// A line that a worker says. All but [`Told::Progress`] are its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It is on its way.
    Progress(Progress),
    /// A probed file works.
    Loads(Facts),
    /// The file is written.
    Quantized,
    /// llama.cpp does not take the file; the reason names no path.
    Refused(String),
    /// The memory that it may use does not suffice.
    NoMemory,
    /// It could not begin, for a reason that is not the file's.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_written() {
        let progress = Told::Progress(Progress { completed: 1, total: 2 });
        let facts = Facts { writes_text: true, vocabulary: 3, trained_context: 4 };
        let rows = [
            (progress, r#"{"progress":{"completed":1,"total":2}}"#),
            (Told::Loads(facts), r#"{"loads":{"writes_text":true,"vocabulary":3,"trained_context":4}}"#),
            (Told::Quantized, r#""quantized""#),
            (Told::Refused("why".into()), r#"{"refused":"why"}"#),
            (Told::NoMemory, r#""no_memory""#),
        ];
        for (told, line) in rows {
            assert_eq!(serde_json::to_string(&told).unwrap(), line);
            assert_eq!(serde_json::from_str::<Told>(line).unwrap(), told);
        }
    }

    #[test]
    fn limits_grow_with_the_file_and_stay_numbers() {
        let small = Limits::of_probe(0);
        let large = Limits::of_probe(40_000_000_000);
        assert_eq!((small.milliseconds, large.milliseconds), (PROBE_MS, PROBE_MS + 4_000_000));
        assert_eq!(large.memory_bytes, WORKER_MEMORY_BYTES + 40_000_000_000);
        assert_eq!(Limits::of_quantizing(u64::MAX).written_bytes, u64::MAX);
    }
}
