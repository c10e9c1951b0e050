//! llama.cpp's log: every line goes to `tracing`, and a load reads its memory sizes and its failure out of it.
//!
//! llama.cpp's C interface does not tell how large the buffers of a model are or why a load failed; its log does. The
//! crate is pinned to one version, and `tests/llamita.rs` fails if the lines ever change.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::mpsc::Sender;

use llama_cpp_sys_2 as sys;

use crate::config::limits::LOG_LINE_BYTES;

thread_local! {
    /// llama.cpp calls back on the thread that called it, so what a load hears can only be its own.
    static STATE: RefCell<State> =
        const { RefCell::new(State { level: 0, line: String::new(), heard: None, listener: None }) };
}

/// One thread's side of the log.
struct State {
    /// Level of the line under way.
    level: sys::ggml_log_level,
    /// Text of it so far: llama.cpp may write a line in pieces.
    line: String,
    /// Set while a load runs on this thread.
    heard: Option<Heard>,
    /// Set while somebody wants every line of this thread.
    listener: Option<Sender<String>>,
}

/// What the log said during a load.
#[derive(Debug, Default)]
pub(super) struct Heard {
    buffers: Vec<Buffer>,
    /// Why it failed, as llama.cpp put it.
    pub(super) reason: Option<String>,
}

/// A piece of device memory.
#[derive(Debug, PartialEq)]
struct Buffer {
    /// Name of the device, or of the kind of host memory (`CPU_Mapped`, `CUDA_Host`).
    device: String,
    /// `model`, `KV`, `RS`, `output` or `compute`.
    kind: String,
    bytes: u64,
}

impl Heard {
    /// Bytes of the buffers whose device passes `wanted`.
    pub(super) fn bytes(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let on_device = self.buffers.iter().filter(|buffer| wanted(&buffer.device));
        on_device.map(|buffer| buffer.bytes).sum()
    }

    fn note(&mut self, line: &str) {
        const MARKS: [&str; 4] = [
            "error loading model: ",
            "failed to initialize the context: ",
            "failed to quantize: ",
            "llama_init_from_model: ",
        ];
        if let Some(buffer) = parse_buffer(line) {
            // A graph may be planned more than once: its last size counts. Weights and caches come in several parts.
            let planned_before = |known: &&mut Buffer| {
                buffer.kind == "compute" && known.kind == "compute" && known.device == buffer.device
            };
            match self.buffers.iter_mut().find(planned_before) {
                Some(known) => known.bytes = buffer.bytes,
                None => self.buffers.push(buffer),
            }
        }
        // The last names a function that says more than why it failed: what it says is a reason where nothing better comes.
        let told = MARKS.iter().find_map(|mark| line.split_once(mark));
        if let Some((_, reason)) = told {
            let reason = reason.trim();
            self.reason = Some(reason.strip_prefix("llama_model_loader: ").unwrap_or(reason).to_owned());
        }
    }
}

/// Reads `load_tensors:   CPU_Mapped model buffer size =     2.14 MiB`.
fn parse_buffer(line: &str) -> Option<Buffer> {
    let (left, right) = line.split_once(" buffer size = ")?;
    let (_, name) = left.split_once(": ")?;
    let (device, kind) = name.trim().split_once(' ')?;
    let mebibytes: f64 = right.trim().strip_suffix(" MiB")?.trim().parse().ok()?;
    let bytes = (mebibytes * 1024.0 * 1024.0).round() as u64;
    Some(Buffer { device: device.to_owned(), kind: kind.trim().to_owned(), bytes })
}

/// Sends llama.cpp's log to `tracing` from now on, for the whole process.
pub(super) fn install() {
    // SAFETY: the callback is a function of ours with the signature that ggml declares, it lives as long as the
    // program, and it reads no user data.
    unsafe { sys::llama_log_set(Some(on_text), std::ptr::null_mut()) };
}

/// Runs `load` and returns with its value what the log said meanwhile on this thread.
pub(super) fn listen<T>(load: impl FnOnce() -> T) -> (T, Heard) {
    STATE.with_borrow_mut(|state| state.heard = Some(Heard::default()));
    let value = load();
    let heard = STATE.with_borrow_mut(|state| state.heard.take());
    (value, heard.unwrap_or_default())
}

/// Runs `work` as [`listen`] does, and sends every line of the log on this thread to `listener` as it comes.
pub(super) fn listen_to_lines<T>(listener: Sender<String>, work: impl FnOnce() -> T) -> (T, Heard) {
    STATE.with_borrow_mut(|state| state.listener = Some(listener));
    let heard = listen(work);
    STATE.with_borrow_mut(|state| state.listener = None);
    heard
}

/// Whether llama.cpp means by this reason that memory ran out: its own words, or the C++ library's `bad_alloc`.
pub(super) fn is_out_of_memory(reason: &str) -> bool {
    reason.contains("allocate") || reason.contains("bad_alloc")
}

unsafe extern "C" fn on_text(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: ggml hands over a zero-terminated string that stays valid during the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A thread that is ending has no state any more: its last words are dropped.
    let _ = STATE.try_with(|state| {
        for piece in text.split_inclusive('\n') {
            // The borrow ends before `emit`: a subscriber is free to do anything.
            let finished = state.try_borrow_mut().ok().and_then(|mut state| state.take_line(level, piece));
            if let Some((level, line)) = finished {
                emit(level, &line);
            }
        }
    });
}

impl State {
    /// Adds a piece; returns the line when it is whole.
    fn take_line(&mut self, level: sys::ggml_log_level, piece: &str) -> Option<(sys::ggml_log_level, String)> {
        if level != sys::GGML_LOG_LEVEL_CONT {
            self.level = level;
        }
        self.line.push_str(piece);
        if !piece.ends_with('\n') && self.line.len() < LOG_LINE_BYTES {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        if let Some(heard) = &mut self.heard {
            heard.note(line.trim_end());
        }
        if let Some(listener) = &self.listener {
            // A listener that has heard enough may be gone.
            let _ = listener.send(line.clone());
        }
        Some((self.level, line))
    }
}

/// One step quieter than llama.cpp: its "info" is a hundred lines for each load, and its warnings are advice to those
/// who call it from a shell (that the pool is larger than the trained context, for one).
fn emit(level: sys::ggml_log_level, line: &str) {
    let line = line.trim_end();
    match level {
        _ if line.is_empty() => {}
        sys::GGML_LOG_LEVEL_ERROR => tracing::error!(target: "llama", "{line}"),
        sys::GGML_LOG_LEVEL_WARN => tracing::info!(target: "llama", "{line}"),
        sys::GGML_LOG_LEVEL_DEBUG => tracing::trace!(target: "llama", "{line}"),
        _ => tracing::debug!(target: "llama", "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        for line in lines {
            heard.note(line);
        }
        heard
    }

    #[test]
    fn sizes_are_read_per_device() {
        let heard = heard(&[
            "load_tensors:   CPU_Mapped model buffer size =     2.00 MiB",
            "load_tensors:        CUDA0 model buffer size =   100.50 MiB",
            "llama_kv_cache:      CUDA0 KV buffer size =     8.00 MiB",
            "llama_kv_cache:      CUDA0 KV buffer size =     4.00 MiB",
            "llama_kv_cache: size =   12.00 MiB (  4096 cells)",
            "sched_reserve:      CUDA0 compute buffer size =    30.00 MiB",
            "sched_reserve:      CUDA0 compute buffer size =    16.00 MiB",
        ]);
        let mebibytes = |half: u64| half * 512 * 1024;
        assert_eq!(heard.bytes(|device| device == "CUDA0"), mebibytes(201 + 24 + 32));
        assert_eq!(heard.bytes(|_| true), mebibytes(201 + 24 + 32 + 4));
        assert_eq!(heard.reason, None);
    }

    #[test]
    fn the_reason_of_a_failure_is_kept() {
        let heard = heard(&["llama_model_load: error loading model: tensor 'x' is missing", "failed to load model"]);
        assert_eq!(heard.reason.as_deref(), Some("tensor 'x' is missing"));
    }

    #[test]
    fn a_line_is_put_together_from_its_pieces() {
        let mut state = State { level: 0, line: String::new(), heard: None, listener: None };
        assert_eq!(state.take_line(sys::GGML_LOG_LEVEL_WARN, "one "), None);
        let whole = state.take_line(sys::GGML_LOG_LEVEL_CONT, "two\n");
        assert_eq!(whole, Some((sys::GGML_LOG_LEVEL_WARN, "one two\n".to_owned())));
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let mut state = State { level: 0, line: String::new(), heard: None, listener: None };
        let whole = state.take_line(sys::GGML_LOG_LEVEL_INFO, &"x".repeat(LOG_LINE_BYTES));
        assert_eq!(whole.map(|(_, line)| line.len()), Some(LOG_LINE_BYTES));
    }
}
