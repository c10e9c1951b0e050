//! Quantizing: a blob of other weights, made by a worker.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::child;
use super::error::WorkError;
use super::task::Reporter;
use crate::convert::{Kind, Limits, Told, Work};
use crate::model::Digest;
use crate::model::gguf::{Arrays, Facts, Gguf, GgufError};
use crate::store::{BlobError, Draft, Store};

/// A disk with less room than this is full, as far as the end of a failed write goes.
const ROOM_BYTES: u64 = 16 * 1024 * 1024;

/// The blob that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantized {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// Whether the store did not have it before.
    pub is_new: bool,
    /// What its header says.
    pub facts: Facts,
}

/// Quantizes the blob at `source` into a blob of the store.
pub(super) fn run(
    program: &Path,
    limits: fn(u64) -> Limits,
    store: &Store,
    (source, kind): (&Path, Kind),
    reporter: &Reporter<Quantized>,
) -> Result<Quantized, WorkError> {
    let draft = store.blobs().draft()?;
    let (folder, file) = super::place_of(source)?;
    let (_, into) = super::place_of(draft.path())?;
    let limits = limits(fs::metadata(source)?.len());
    let work = Work::Quantize { file, into, kind };
    let mut tell = |progress| reporter.progress(progress);
    match child::run((program, folder), (work, limits), reporter.unwanted(), &mut tell)? {
        Told::Quantized => {}
        Told::Refused(_) if is_full(folder) => {
            return Err(BlobError::Io(io::ErrorKind::StorageFull.into()).into());
        }
        other => return Err(super::no_success(other)),
    }
    let facts = check(&draft, kind)?;
    let kept = draft.keep(store.blobs(), &mut || !reporter.is_unwanted())?.ok_or(WorkError::Stopped)?;
    Ok(Quantized { digest: kept.digest, bytes: kept.bytes, is_new: kept.is_new, facts })
}

/// Looks at what the worker wrote as at anybody's file.
fn check(draft: &Draft, kind: Kind) -> Result<Facts, WorkError> {
    let file = File::open(draft.path()).map_err(BlobError::Io)?;
    let bytes = file.metadata().map_err(BlobError::Io)?.len();
    let read = || -> Result<Facts, GgufError> {
        let gguf = Gguf::read(file, bytes, Arrays::Skip)?;
        gguf.check_tensors(bytes)?;
        Ok(Facts::of(&gguf))
    };
    match read() {
        Ok(facts) if facts.file_type == kind.name() => Ok(facts),
        Ok(_) => Err(WorkError::Process("the result is of another type".into())),
        Err(error) => Err(WorkError::Process(error.to_string())),
    }
}

/// llama.cpp only says that a write failed. Whether the disk had room shows who is to blame.
fn is_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES)
}
