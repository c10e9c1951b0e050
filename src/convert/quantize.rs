//! Writes a GGUF whose weights have another type.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use super::kind::Kind;
use super::wire::{Progress, Told};
use crate::engine::ffi::{QuantizeError, quantize};
use crate::model::gguf::{Arrays, Gguf, GgufError};

/// Quantizes `file` into `into`, which is there already. `tell` hears of every tensor that is done.
pub fn run(file: &Path, into: &Path, kind: Kind, mut tell: impl FnMut(Progress)) -> Told {
    let gguf = match read(file) {
        Ok(gguf) => gguf,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let sizes: HashMap<&str, u64> =
        gguf.tensors.iter().filter_map(|tensor| Some((tensor.name.as_str(), tensor.bytes().ok()?))).collect();
    let mut progress =
        Progress { completed: 0, total: sizes.values().fold(0, |sum, &bytes| sum.saturating_add(bytes)) };
    tell(progress);
    let mut tensor_done = |name: &str| {
        progress.completed =
            progress.completed.saturating_add(sizes.get(name).copied().unwrap_or(0)).min(progress.total);
        tell(progress);
    };
    match quantize(file, into, kind, kind.exceptions(gguf.architecture()), &mut tensor_done) {
        Ok(()) => Told::Quantized,
        Err(QuantizeError::NoMemory) => Told::NoMemory,
        Err(QuantizeError::Refused(reason)) => Told::Refused(reason),
    }
}

fn read(file: &Path) -> Result<Gguf, GgufError> {
    let file = File::open(file)?;
    let bytes = file.metadata()?.len();
    let gguf = Gguf::read(file, bytes, Arrays::Skip)?;
    gguf.check_tensors(bytes)?;
    Ok(gguf)
}
