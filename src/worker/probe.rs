//! Probes, and the verdicts that are kept of them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::child;
use super::error::WorkError;
use super::task::Reporter;
use crate::convert::{Facts, Limits, Told, Work};
use crate::model::Digest;
use crate::store::Store;

/// Another version of this program may bring another llama.cpp, which judges for itself.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A verdict as it lies in the store.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    version: String,
    verdict: Verdict,
}

/// What is true of the file wherever and whenever it is loaded. That memory or time did not suffice is not.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Loads(Facts),
    Refused(String),
    Crashed(String),
}

impl Verdict {
    fn of(outcome: &Result<Facts, WorkError>) -> Option<Self> {
        match outcome {
            Ok(facts) => Some(Self::Loads(*facts)),
            Err(WorkError::Refused(why)) => Some(Self::Refused(why.clone())),
            Err(WorkError::Crashed(why)) => Some(Self::Crashed(why.clone())),
            Err(_) => None,
        }
    }

    fn outcome(self) -> Result<Facts, WorkError> {
        match self {
            Self::Loads(facts) => Ok(facts),
            Self::Refused(why) => Err(WorkError::Refused(why)),
            Self::Crashed(why) => Err(WorkError::Crashed(why)),
        }
    }
}

/// The verdict of an earlier probe by this version.
pub(super) fn known(store: &Store, digest: &Digest) -> Option<Result<Facts, WorkError>> {
    let kept: Kept = serde_json::from_slice(&store.verdicts().get(digest)?).ok()?;
    (kept.version == VERSION).then(|| kept.verdict.outcome())
}

/// Probes a blob and keeps the verdict.
pub(super) fn run(
    program: &Path,
    limits: fn(u64) -> Limits,
    store: &Store,
    (digest, path): (&Digest, &Path),
    reporter: &Reporter<Facts>,
) -> Result<Facts, WorkError> {
    let outcome = load(program, limits, path, reporter);
    if let Some(verdict) = Verdict::of(&outcome) {
        keep(store, digest, verdict);
    } else {
        tracing::info!(%digest, outcome = ?outcome.as_ref().err(), "a probe came to no verdict");
    }
    outcome
}

fn load(
    program: &Path,
    limits: fn(u64) -> Limits,
    path: &Path,
    reporter: &Reporter<Facts>,
) -> Result<Facts, WorkError> {
    let (folder, file) = super::place_of(path)?;
    let limits = limits(fs::metadata(path)?.len());
    let told = child::run((program, folder), (Work::Probe { file }, limits), reporter.unwanted(), &mut |_| ())?;
    match told {
        Told::Loads(facts) => Ok(facts),
        other => Err(super::no_success(other)),
    }
}

/// A store that cannot be written serves all the same: the next probe does the work again.
fn keep(store: &Store, digest: &Digest, verdict: Verdict) {
    tracing::info!(%digest, ?verdict, "a model was probed");
    let kept = Kept { version: VERSION.to_owned(), verdict };
    let written = serde_json::to_vec(&kept).map_err(std::io::Error::from);
    if let Err(error) = written.and_then(|bytes| store.verdicts().put(digest, &bytes)) {
        tracing::warn!(%digest, %error, "the verdict of a probe was not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_of_the_file_alone_is_kept() {
        let facts = Facts { writes_text: true, vocabulary: 1, trained_context: 2 };
        let refused = WorkError::Refused("why".into());
        for outcome in [Ok(facts), Err(refused), Err(WorkError::Crashed("how".into()))] {
            let kept = Kept { version: VERSION.into(), verdict: Verdict::of(&outcome).unwrap() };
            let read: Kept = serde_json::from_slice(&serde_json::to_vec(&kept).unwrap()).unwrap();
            assert_eq!(read, kept);
            assert_eq!(format!("{:?}", read.verdict.outcome()), format!("{outcome:?}"));
        }
        for error in [WorkError::NoMemory, WorkError::TooSlow, WorkError::Killed, WorkError::Stopped, WorkError::Busy] {
            assert_eq!(Verdict::of(&Err(error)), None);
        }
    }

    #[test]
    fn verdicts_of_other_versions_and_broken_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"");
        let put = |text: &str| store.verdicts().put(&digest, text.as_bytes()).unwrap();
        for text in ["", "{}", r#"{"version":"0.0.1","verdict":{"refused":"why"}}"#] {
            put(text);
            assert!(known(&store, &digest).is_none(), "{text}");
        }
        put(&format!(r#"{{"version":"{VERSION}","verdict":{{"refused":"why"}}}}"#));
        assert!(matches!(known(&store, &digest), Some(Err(WorkError::Refused(why))) if why == "why"));
    }
}
