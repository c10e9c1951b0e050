//! CPU time of threads, out of `/proc`.

use std::fs;
use std::path::Path;

/// Length of a clock tick in `stat`: 100 a second on every Linux of today (`USER_HZ`).
const TICK_SECONDS: f64 = 0.01;

/// Seconds that a process has run so far, in ticks and with its ended threads, or in nanoseconds its threads with this
/// name. Nothing if the process or the name does not exist. A named thread that ends takes its time along.
pub fn seconds(pid: u32, thread: Option<&str>) -> Option<f64> {
    let Some(thread) = thread else {
        return from_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    };
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
    }

    #[test]
    fn work_of_a_named_thread_is_counted() {
        let worker = std::thread::Builder::new().name("busy".to_owned()).spawn(|| {
            let began = std::time::Instant::now();
            let mut sum = 0_u64;
            while began.elapsed().as_millis() < 60 {
                sum = std::hint::black_box(sum + 1);
            }
            let mine = seconds(std::process::id(), Some("busy"));
            (mine, seconds(std::process::id(), None))
        });
        let (mine, all) = worker.unwrap().join().unwrap();
        assert!(mine.unwrap() > 0.001, "{mine:?}");
        assert!(all.unwrap() + 2.0 * TICK_SECONDS >= mine.unwrap(), "{all:?} {mine:?}");
        assert_eq!(seconds(std::process::id(), Some("nobody")), None);
    }
}
