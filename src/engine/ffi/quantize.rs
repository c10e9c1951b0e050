//! Quantizing a file through llama.cpp, with word of every tensor that is done.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use llama_cpp_sys_2 as sys;

use super::loader::{start_llama, without_path};
use super::log;
use crate::config::limits::QUANTIZE_BUFFER_BYTES;
use crate::convert::{Exception, Kind, TensorKind};

/// Why a file was not quantized.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuantizeError {
    /// Memory ran out.
    #[error("there is not enough memory to quantize the model")]
    NoMemory,
    /// llama.cpp says no. The sentence names no path.
    #[error("{0}")]
    Refused(String),
}

/// Writes the model in `source` to `target` with weights of another kind, on all processors. Blocks until it is done and
/// cannot be stopped, so this is for a process of its own. `tensor_done` hears the name of each tensor when it is written.
///
/// # Errors
/// When llama.cpp refuses the source or cannot write the target, which is left half written then.
pub fn quantize(
    source: &Path,
    target: &Path,
    kind: Kind,
    exceptions: &[Exception],
    tensor_done: &mut dyn FnMut(&str),
) -> Result<(), QuantizeError> {
    start_llama();
    let refused = |what: &str| QuantizeError::Refused(what.to_owned());
    let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| refused("a name has a zero in it"));
    let paths = [c_string(source.as_os_str().as_bytes())?, c_string(target.as_os_str().as_bytes())?];
    let names = exceptions.iter().map(|exception| c_string(exception.names.as_bytes()));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let overrides = exceptions.iter().map(|exception| exception.kind).zip(names).collect::<Vec<_>>();

    let (lines, heard_lines) = mpsc::channel();
    let (status, heard) = thread::scope(|scope| {
        let work = || log::listen_to_lines(lines, || call(&paths, kind, &overrides));
        // A stack is memory too, and under a limit there may be none left.
        let work = thread::Builder::new().spawn_scoped(scope, work).map_err(|_| QuantizeError::NoMemory)?;
        for line in heard_lines {
            if let Some(name) = finished_tensor(&line) {
                tensor_done(name);
            }
        }
        work.join().map_err(|_| refused("the quantizing thread panicked"))
    })?;
    match (status, heard.reason) {
        (0, _) => Ok(()),
        (_, Some(reason)) if log::is_out_of_memory(&reason) => Err(QuantizeError::NoMemory),
        (_, Some(reason)) => Err(QuantizeError::Refused(without_path(without_path(&reason, source).trim(), target))),
        (_, None) => Err(refused("llama.cpp gave no reason")),
    }
}

/// llama.cpp's status: 0 is success.
fn call([source, target]: &[CString; 2], kind: Kind, exceptions: &[(TensorKind, CString)]) -> u32 {
    let rows = exceptions.iter().map(|(kind, names)| sys::llama_model_tensor_override {
        pattern: names.as_ptr(),
        type_: match kind {
            TensorKind::F16 => sys::GGML_TYPE_F16,
            TensorKind::Q8_0 => sys::GGML_TYPE_Q8_0,
        },
    });
    let end = sys::llama_model_tensor_override { pattern: std::ptr::null(), type_: sys::GGML_TYPE_COUNT };
    let overrides: Vec<_> = rows.chain([end]).collect();
    // SAFETY: returns a plain struct of defaults.
    let mut parameters = unsafe { sys::llama_model_quantize_default_params() };
    parameters.ftype = kind.file_type() as sys::llama_ftype;
    parameters.max_buf_size = QUANTIZE_BUFFER_BYTES;
    parameters.tt_overrides = overrides.as_ptr();
    // SAFETY: both paths end in a zero; the overrides end with a null pattern, and they and the patterns outlive the call;
    // llama.cpp catches its own exceptions in here.
    unsafe { sys::llama_model_quantize(source.as_ptr(), target.as_ptr(), &raw const parameters) }
}

/// Reads `[   5/  47] blk.0.attn_k.weight   - [  64, …] …`: llama.cpp ends this line when the tensor is written.
fn finished_tensor(line: &str) -> Option<&str> {
    let (count, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (index, total) = count.split_once('/')?;
    let is_number = |text: &str| text.trim().parse::<u32>().is_ok();
    (is_number(index) && is_number(total)).then(|| rest.split_whitespace().next())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_in_the_log() {
        let line =
            "[   5/  47] blk.0.attn_k.weight                  - [   64,    64,     1,     1], type =    f16, ...\n";
        let rows = [
            (line, Some("blk.0.attn_k.weight")),
            ("[5/x] a - [", None),
            ("llama_model_loader: loaded meta data", None),
            ("[", None),
            ("", None),
        ];
        for (line, name) in rows {
            assert_eq!(finished_tensor(line), name, "{line}");
        }
    }
}
