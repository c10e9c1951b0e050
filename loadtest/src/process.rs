//! What processes use, out of `/proc`: CPU time, memory, threads. A server counts with its children: engines and
//! runners are processes of their own.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Length of a clock tick in `stat`: 100 a second on every Linux of today (`USER_HZ`).
const TICK_SECONDS: f64 = 0.01;
/// How often a watch looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most processes of one tree that are looked at.
const PROCESSES_MAX: usize = 256;

/// Lets this process open as many files as it may: each connection is one, and shells often allow a thousand. Where
/// that fails, connections fail later, and are told.
pub fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// A process and its descendants, the process first.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied().filter(|_| found.len() < PROCESSES_MAX) {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            // Kernels without this file leave a server alone with its first process.
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    found
}

/// Seconds that a process and its descendants have run so far: in ticks, ended threads included, or in nanoseconds its
/// threads with this name. Nothing if the process or the name does not exist. A named thread that ends takes its time
/// along, and so does a process.
pub fn seconds(pid: u32, thread: Option<&str>) -> Option<f64> {
    let mut total = None;
    for pid in tree(pid) {
        let found = match thread {
            None => fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|text| from_stat(&text)),
            Some(name) => thread_seconds(pid, name),
        };
        if let Some(found) = found {
            total = Some(total.unwrap_or(0.0) + found);
        }
    }
    total
}

fn thread_seconds(pid: u32, thread: &str) -> Option<f64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut total = None;
    for task in tasks.flatten() {
        let folder = task.path();
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        if name.trim_end() == thread {
            total = Some(total.unwrap_or(0.0) + task_seconds(&folder).unwrap_or(0.0));
        }
    }
    total
}

/// `schedstat` counts nanoseconds where the kernel keeps it, `stat` ticks everywhere.
fn task_seconds(folder: &Path) -> Option<f64> {
    let precise = fs::read_to_string(folder.join("schedstat")).ok().and_then(|text| from_schedstat(&text));
    precise.or_else(|| from_stat(&fs::read_to_string(folder.join("stat")).ok()?))
}

fn from_schedstat(text: &str) -> Option<f64> {
    let ns: u64 = text.split_whitespace().next()?.parse().ok()?;
    (ns > 0).then_some(ns as f64 / 1e9)
}

/// User and system time are fields 14 and 15 (proc(5)); the name in field 2 may hold spaces and parentheses.
fn from_stat(text: &str) -> Option<f64> {
    let behind_name = text.rsplit_once(')')?.1;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 * TICK_SECONDS)
}

/// Resident bytes and threads (`VmRSS` and `Threads` of proc(5)). Memory that processes share counts in each.
fn from_status(text: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((field("VmRSS:")? * 1024, field("Threads:")?))
}

/// The most that was seen while a run went on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peak {
    /// Resident bytes of the server.
    pub memory: u64,
    /// Threads of the server.
    pub threads: u64,
    /// CPU time of this process over wall time, in the busiest interval.
    pub own_share: f64,
}

/// A thread that looks at the server and at this process now and then, so that the load itself never waits for `/proc`.
pub struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Peak>,
}

impl Watch {
    /// Starts looking; nothing if there can be no thread.
    pub fn start(server: Option<u32>) -> Option<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch(server, &stopped));
        thread.ok().map(|thread| Self { stop, thread })
    }

    /// Stops, and tells what was seen.
    pub fn finish(self) -> Peak {
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

fn watch(server: Option<u32>, stopped: &Receiver<()>) -> Peak {
    let mut peak = Peak::default();
    let own = || seconds(std::process::id(), None).unwrap_or(0.0);
    let (mut since, mut spent) = (Instant::now(), own());
    loop {
        let now = server.into_iter().flat_map(tree).filter_map(|pid| {
            fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| from_status(&text))
        });
        let (memory, threads) = now.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        peak.memory = peak.memory.max(memory);
        peak.threads = peak.threads.max(threads);
        if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return peak;
        }
        let (was, at) = (spent, since);
        (since, spent) = (Instant::now(), own());
        peak.own_share = peak.own_share.max((spent - was) / (since - at).as_secs_f64().max(1e-9));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 99 1 1";
        assert_eq!(from_stat(stat), Some(3.0));
        assert_eq!(from_stat("42 (a"), None);
        assert_eq!(from_schedstat("1500000000 5 6\n"), Some(1.5));
        assert_eq!(from_schedstat("0 0 0"), None);
        let status = "Name:\ta\nVmHWM:\t 9 kB\nVmRSS:\t    12 kB\nThreads:\t3\n";
        assert_eq!(from_status(status), Some((12 * 1024, 3)));
        assert_eq!(from_status("Name:\ta\nThreads:\t1\n"), None, "a process that ends has no memory");
    }

    #[test]
    fn work_of_a_named_thread_is_counted() {
        let worker = std::thread::Builder::new().name("busy".to_owned()).spawn(|| {
            let began = Instant::now();
            let (mut sum, mut mine) = (0_u64, None);
            // On a busy machine it may be a while before it has worked for so long.
            while mine.is_none_or(|mine| mine < 0.02) && began.elapsed().as_secs() < 20 {
                (0..100_000).for_each(|_| sum = std::hint::black_box(sum + 1));
                mine = seconds(std::process::id(), Some("busy"));
            }
            (mine, seconds(std::process::id(), None))
        });
        let (mine, all) = worker.unwrap().join().unwrap();
        assert!(mine.unwrap() >= 0.02, "{mine:?}");
        assert!(all.unwrap() + 2.0 * TICK_SECONDS >= mine.unwrap(), "{all:?} {mine:?}");
        assert_eq!(seconds(std::process::id(), Some("nobody")), None);
    }

    #[test]
    fn children_belong_to_the_tree_and_are_seen() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = std::process::id();
        let watch = Watch::start(Some(pid)).unwrap();
        let family = tree(pid);
        let peak = watch.finish();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(family.first() == Some(&pid) && family.contains(&child.id()), "{family:?}");
        assert!(peak.memory > 100_000 && peak.threads >= 2, "{peak:?}");
    }
}
