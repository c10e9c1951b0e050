//! Why a worker's process died, from its status and its last words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use super::error::WorkError;
use crate::convert::cut;

/// Signs of memory that ran out: C++'s, ggml's, Rust's, the C library's, and OpenMP's for stacks.
const NO_MEMORY: [&str; 6] = [
    "bad_alloc",
    "failed to allocate",
    "insufficient memory",
    "memory allocation of",
    "Cannot allocate memory",
    "Thread creation failed",
];

/// What to say of a process that ended without a verdict, or badly after it. `words` are the last lines of its log.
pub(super) fn explain(status: ExitStatus, words: &[String]) -> WorkError {
    let signal = status.signal();
    let is = |known: Signal| signal == Some(known.as_raw());
    if is(Signal::KILL) {
        return WorkError::Killed;
    }
    if is(Signal::XCPU) {
        return WorkError::TooSlow;
    }
    if words.iter().any(|line| NO_MEMORY.iter().any(|sign| line.contains(sign))) {
        return WorkError::NoMemory;
    }
    let reason = words.iter().rev().find_map(|line| last_words(line)).unwrap_or_else(|| match signal {
        Some(number) => name_of(number),
        None => format!("it ended with exit code {}", status.code().unwrap_or_default()),
    });
    WorkError::Crashed(cut(reason))
}

/// What a line says of the end: `folder/ggml.c:12: GGML_ASSERT(…) failed` without its folder, or an exception's text.
fn last_words(line: &str) -> Option<String> {
    if let Some(text) = line.trim_start().strip_prefix("what():") {
        return Some(text.trim().to_owned());
    }
    let (file, rest) = line.split_once(':')?;
    let (number, text) = rest.split_once(": ")?;
    let is_source = [".c", ".cpp", ".h", ".hpp", ".cu"].iter().any(|end| file.ends_with(end));
    let is_place = is_source && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_place.then(|| format!("{}:{number}: {text}", file.rsplit('/').next().unwrap_or(file)))
}

fn name_of(signal: i32) -> String {
    let known = [
        (Signal::SEGV, "a segmentation fault"),
        (Signal::ABORT, "it aborted"),
        (Signal::FPE, "an arithmetic fault"),
        (Signal::BUS, "a bus error"),
        (Signal::ILL, "an illegal instruction"),
        (Signal::XFSZ, "its result is too long"),
    ];
    let known = known.into_iter().find(|(known, _)| known.as_raw() == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_in_words() {
        let assertion = "/home/me/ggml/src/ggml.c:3214: GGML_ASSERT(a->ne[0] > 0) failed";
        let fails = "the model makes llama.cpp fail: ";
        let rows: [(i32, &[&str], String); 9] = [
            (9, &[], "the worker process was killed, perhaps because memory ran out".into()),
            (24, &[assertion], "the model took too long to be worked on".into()),
            (6, &["loading", assertion, ""], format!("{fails}ggml.c:3214: GGML_ASSERT(a->ne[0] > 0) failed")),
            (6, &["terminate called", "  what():  a bad thing"], format!("{fails}a bad thing")),
            (6, &["  what():  std::bad_alloc"], "the model needs more memory than a file of its size may take".into()),
            (11, &["2026-11-24T03:45:19Z  INFO llama: x: y"], format!("{fails}a segmentation fault")),
            (8, &["notes.txt:1: x", "a.c:x: y", "a.c:"], format!("{fails}an arithmetic fault")),
            (31, &[], format!("{fails}signal 31")),
            (256, &[], format!("{fails}it ended with exit code 1")),
        ];
        for (status, words, wanted) in rows {
            let words: Vec<String> = words.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(explain(ExitStatus::from_raw(status), &words).to_string(), wanted);
        }
    }
}
