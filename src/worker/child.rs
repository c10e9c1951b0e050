//! One worker process, from its job to its end.
//!
//! What it says is not believed further than it must be: it has read a file of a stranger's.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::crash;
use super::error::WorkError;
use super::lines::Lines;
use crate::config::limits::WORKER_LAST_LINES;
use crate::convert::{Job, Limits, Progress, Told, Work};
use crate::engine::openmp;
use crate::stream::wake::Eventfd;

/// How long a process that has closed its pipes may take to end.
const END_GRACE: Duration = Duration::from_secs(5);
/// Bytes that are read from a pipe at once.
const READ_BYTES: usize = 16 * 1024;
/// llama.cpp would start a debugger when it aborts; and a worker stays off the devices that the engine owns.
const ENVIRONMENT: [(&str, &str); 3] =
    [("GGML_NO_BACKTRACE", "1"), ("CUDA_VISIBLE_DEVICES", "-1"), ("HIP_VISIBLE_DEVICES", "-1")];

/// Runs a worker in `folder` until it ends, `unwanted` becomes readable, or its time is over. `tell` hears of its progress.
/// Gives its last word, which is none of progress. The process is gone when this returns.
///
/// # Errors
/// When it could not be started, was ended, died, or ended without a word.
pub(super) fn run(
    (program, folder): (&Path, &Path),
    (work, limits): (Work, Limits),
    unwanted: &Eventfd,
    tell: &mut dyn FnMut(Progress),
) -> Result<Told, WorkError> {
    let mut process = Process(
        Command::new(program)
            .arg("worker")
            .current_dir(folder)
            .envs(ENVIRONMENT)
            .envs(openmp::patience())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let until = Instant::now() + Duration::from_millis(limits.milliseconds);
    let job = Job { parent: std::process::id(), limits, work };
    process.give(&job)?;
    let mut heard = Heard { tell, last: None, words: VecDeque::new() };
    listen(&mut process.0, unwanted, until, &mut heard)?;
    let status = process.wait()?;
    match heard.last {
        Some(Told::Failed(why)) => Err(WorkError::Process(why)),
        Some(told) if status.success() => Ok(told),
        // One that dies after its verdict would take the engine along when it unloads the model.
        _ => {
            let words: Vec<String> = heard.words.into();
            tracing::error!(%status, log = words.join("\n"), "a worker died");
            Err(crash::explain(status, &words))
        }
    }
}

/// A process that does not outlive this value.
struct Process(Child);

impl Process {
    /// Writes the job to its stdin, which ends with it.
    fn give(&mut self, job: &Job) -> io::Result<()> {
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        match self.0.stdin.take().map_or(Ok(()), |mut input| input.write_all(&line)) {
            // It has died already: its status and log say why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// Waits for a process that has nothing more to say, and kills it when it lingers.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let until = Instant::now() + END_GRACE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.0.kill()?;
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing where it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a worker has said so far.
struct Heard<'a> {
    tell: &'a mut dyn FnMut(Progress),
    /// Its verdict.
    last: Option<Told>,
    /// The end of its log.
    words: VecDeque<String>,
}

impl Heard<'_> {
    fn event(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Told::Progress(Progress { completed, total })) => {
                (self.tell)(Progress { completed: completed.min(total), total });
            }
            Ok(last) => self.last = Some(last),
            Err(error) => tracing::warn!(%error, "a worker said something that makes no sense"),
        }
    }

    fn log(&mut self, line: &str) {
        tracing::debug!(target: "worker", "{line}");
        if self.words.len() == WORKER_LAST_LINES {
            self.words.pop_front();
        }
        self.words.push_back(line.to_owned());
    }
}

/// Reads both pipes until they end.
fn listen(child: &mut Child, unwanted: &Eventfd, until: Instant, heard: &mut Heard<'_>) -> Result<(), WorkError> {
    let (mut events, mut log) = (child.stdout.take(), child.stderr.take());
    let (mut event_lines, mut log_lines) = (Lines::default(), Lines::default());
    while events.is_some() || log.is_some() {
        match wait_for(unwanted, events.as_ref().map(AsFd::as_fd), log.as_ref().map(AsFd::as_fd), until)? {
            Ready::Unwanted => return Err(WorkError::Stopped),
            Ready::Late => return Err(WorkError::TooSlow),
            Ready::Pipes { events: event, log: line } => {
                if event && read(&mut events, |bytes| event_lines.take(bytes, |line| heard.event(line)))? {
                    event_lines.end(|line| heard.event(line));
                }
                if line && read(&mut log, |bytes| log_lines.take(bytes, |line| heard.log(line)))? {
                    log_lines.end(|line| heard.log(line));
                }
            }
        }
    }
    Ok(())
}

/// What has happened.
enum Ready {
    /// Nobody waits for the job any more.
    Unwanted,
    /// Its time is over.
    Late,
    /// These have bytes, or have ended.
    Pipes { events: bool, log: bool },
}

fn wait_for(
    unwanted: &Eventfd,
    events: Option<std::os::fd::BorrowedFd<'_>>,
    log: Option<std::os::fd::BorrowedFd<'_>>,
    until: Instant,
) -> io::Result<Ready> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(Ready::Late);
    }
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    let mut polled = vec![PollFd::new(unwanted, PollFlags::IN)];
    polled.extend(events.into_iter().chain(log).map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
    match rustix::event::poll(&mut polled, Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => return Ok(Ready::Pipes { events: false, log: false }),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
    if ready.next() == Some(true) {
        return Ok(Ready::Unwanted);
    }
    let mut of = |pipe: bool| pipe && ready.next() == Some(true);
    Ok(Ready::Pipes { events: of(events.is_some()), log: of(log.is_some()) })
}

/// Reads once from a pipe that is ready, and closes it at its end: `true` then.
fn read<P: AsFd>(pipe: &mut Option<P>, take: impl FnOnce(&[u8])) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    let mut buffer = [0; READ_BYTES];
    let count = match rustix::io::read(open, &mut buffer) {
        Err(Errno::INTR) => return Ok(false),
        count => count?,
    };
    take(buffer.get(..count).unwrap_or_default());
    if count == 0 {
        *pipe = None;
    }
    Ok(count == 0)
}
