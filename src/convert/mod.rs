//! What `llamero worker` runs: one job on one file, in a process of its own.
//!
//! llama.cpp may abort on a bad file, and some of its work cannot be cancelled. Here that costs one process. It shuts
//! itself in first (`confine`), does its job (`probe`, `quantize`), and says how it went (`wire`) on what was its stdout.
//! `kind` holds the types that weights can be quantized to. The front's side of all this is the room `worker`.

mod confine;
mod kind;
#[cfg(feature = "llama")]
mod probe;
#[cfg(feature = "llama")]
mod quantize;
mod wire;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use rustix::process::getppid;

pub use confine::Confinement;
pub use kind::{Exception, Kind, KindError, TensorKind};
pub use wire::{Facts, Job, Limits, Progress, Told, Work};

use crate::config::limits::{WORKER_JOB_BYTES, WORKER_REASON_BYTES};

/// Reads a job, does it and says how it went. Returns at once when the front that gave it has gone.
///
/// # Errors
/// When the job cannot be read or the front no longer listens.
pub fn run(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let job = read_job(input)?;
    let parent = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if u32::try_from(parent) != Ok(job.parent) {
        return Ok(());
    }
    let last = match shut_in(&job) {
        Ok(()) => perform(&job.work, &mut output),
        Err(error) => Told::Failed(format!("the worker could not shut itself in: {error}")),
    };
    say(&mut output, &bounded(last))
}

fn read_job(input: impl Read) -> io::Result<Job> {
    let mut line = String::new();
    BufReader::new(input.take(WORKER_JOB_BYTES)).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::from)
}

/// Gives up all that the job does not need.
fn shut_in(job: &Job) -> io::Result<()> {
    confine::limit(&job.limits)?;
    let mut files = Confinement::default();
    match &job.work {
        Work::Probe { file } => files.read(Path::new(file)),
        Work::Quantize { file, into, .. } => {
            files.read(Path::new(file));
            files.write(Path::new(into));
        }
    }
    files.enter()
}

/// One event, as a line.
fn say(output: &mut impl Write, told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    output.write_all(&line)
}

/// Cuts a reason at its bound: llama.cpp repeats names from the file in it.
fn bounded(told: Told) -> Told {
    match told {
        Told::Refused(reason) => Told::Refused(cut(reason)),
        Told::Failed(reason) => Told::Failed(cut(reason)),
        told => told,
    }
}

/// The beginning of a reason, as long as a reason may be, and whole characters.
pub fn cut(mut reason: String) -> String {
    let end = (0..=reason.len().min(WORKER_REASON_BYTES)).rev().find(|&end| reason.is_char_boundary(end));
    reason.truncate(end.unwrap_or(0));
    reason
}

#[cfg(feature = "llama")]
fn perform(work: &Work, output: &mut impl Write) -> Told {
    match work {
        Work::Probe { file } => probe::run(Path::new(file)),
        Work::Quantize { file, into, kind } => {
            // A front that no longer listens has killed this process.
            let tell = |progress| _ = say(output, &Told::Progress(progress));
            quantize::run(Path::new(file), Path::new(into), *kind, tell)
        }
    }
}

/// Without llama.cpp every file is served by the synthetic model, which reads none.
#[cfg(not(feature = "llama"))]
fn perform(work: &Work, _output: &mut impl Write) -> Told {
    match work {
        Work::Probe { .. } => Told::Loads(Facts { writes_text: true, vocabulary: 0, trained_context: 0 }),
        Work::Quantize { .. } => Told::Refused("this server was built without llama.cpp".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_somebody_else_is_not_done() {
        let work = Work::Probe { file: "missing".into() };
        let job = Job { parent: u32::MAX, limits: Limits::of_probe(0), work };
        let mut output = Vec::new();
        run(&*serde_json::to_vec(&job).unwrap(), &mut output).unwrap();
        assert_eq!(output, b"");
    }

    #[test]
    fn what_is_no_job_is_an_error() {
        let long = vec![b' '; WORKER_JOB_BYTES as usize + 100];
        for line in [&b""[..], b"{}", b"\xff", &long] {
            assert!(run(line, Vec::new()).is_err());
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        let Told::Refused(cut) = bounded(Told::Refused("é".repeat(WORKER_REASON_BYTES))) else { panic!() };
        assert_eq!(cut, "é".repeat(WORKER_REASON_BYTES / 2));
        assert_eq!(bounded(Told::NoMemory), Told::NoMemory);
    }
}
