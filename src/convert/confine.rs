//! What a worker gives up before it opens a file that nobody has looked into.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use rustix::thread::set_no_new_privs;

use super::wire::Limits;
use crate::config::limits::WORKER_FILES_MAX;

/// How much a worker steps back when streams want the processor: half of what there is.
const NICENESS: i32 = 10;
/// When memory runs out, the kernel ends workers first: the largest value that there is.
const OOM_SCORE: &[u8] = b"1000";
/// Seconds from the signal that tells of too much computing to the one that ends it.
const GRACE_SECONDS: u64 = 5;
/// What this program knows of landlock; an older kernel enforces what it knows itself.
const KNOWN: ABI = ABI::V6;

/// Sets limits for this process that only its end lifts.
///
/// # Errors
/// When the kernel refuses one.
pub fn limit(limits: &Limits) -> io::Result<()> {
    // Both of these are favours to others, and a container may forbid them.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let _ = nice(NICENESS);
    let cpus = available_parallelism().map_or(1, |count| count.get() as u64);
    let seconds = (limits.milliseconds.saturating_mul(cpus) / 1000).saturating_add(1);
    set(Resource::Core, 0, 0)?;
    set(Resource::Nofile, WORKER_FILES_MAX, WORKER_FILES_MAX)?;
    set(Resource::Fsize, limits.written_bytes, limits.written_bytes)?;
    // Not the address space: the mapped file counts there, and so does what allocators reserve and never touch.
    set(Resource::Data, limits.memory_bytes, limits.memory_bytes)?;
    set(Resource::Cpu, seconds, seconds.saturating_add(GRACE_SECONDS))
}

/// Lowers a limit; one that is lower already stays.
fn set(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let before = rustix::process::getrlimit(resource);
    let least = |wanted: u64, there: Option<u64>| Some(there.map_or(wanted, |there| there.min(wanted)));
    let limit = Rlimit { current: least(current, before.maximum), maximum: least(maximum, before.maximum) };
    Ok(setrlimit(resource, limit)?)
}

/// The files that a confined thread, and what it starts, can still open.
#[derive(Debug, Default)]
pub struct Confinement {
    files: Vec<(PathBuf, BitFlags<AccessFs>)>,
}

impl Confinement {
    /// Leaves a file readable.
    pub fn read(&mut self, path: &Path) {
        self.files.push((path.to_owned(), AccessFs::ReadFile.into()));
    }

    /// Leaves a file that is there writable.
    pub fn write(&mut self, path: &Path) {
        self.files.push((path.to_owned(), AccessFs::WriteFile | AccessFs::Truncate));
    }

    /// Shuts this thread in: no other files, no network, no programs, no signals to others, no new privileges; as far as the
    /// kernel has landlock. Threads that run already stay free.
    ///
    /// # Errors
    /// When a file is missing, or the kernel refuses what it has.
    pub fn enter(self) -> io::Result<()> {
        set_no_new_privs(true)?;
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
            .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
            .and_then(Ruleset::create);
        let mut rules = rules.map_err(io::Error::other)?;
        // Opened here by name, so that a rule is about the file itself.
        let processors = [("/sys/devices/system/cpu", AccessFs::ReadFile | AccessFs::ReadDir)];
        let processors = processors.map(|(path, access)| (PathBuf::from(path), access));
        for (path, access) in processors.into_iter().filter(|(path, _)| path.exists()).chain(self.files) {
            let file = PathFd::new(&path).map_err(io::Error::other)?;
            rules = rules.add_rule(PathBeneath::new(file, access)).map_err(io::Error::other)?;
        }
        let status = rules.restrict_self().map_err(io::Error::other)?;
        tracing::debug!(landlock = ?status.ruleset, "the worker has shut itself in");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::net::TcpListener;
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Whether this kernel has landlock at all: without it nothing is enforced, and nothing can be tested.
    fn has_landlock() -> bool {
        fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|list| list.contains("landlock"))
            || Ruleset::default()
                .set_compatibility(landlock::CompatLevel::HardRequirement)
                .handle_access(AccessFs::from_all(ABI::V4))
                .is_ok()
    }

    use landlock::Compatible;

    #[test]
    fn a_confined_thread_opens_its_files_and_no_others() {
        if !has_landlock() {
            eprintln!("this kernel has no landlock: nothing to test");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["in", "out", "other"] {
            fs::write(path(name), name).unwrap();
        }
        let mut confinement = Confinement::default();
        confinement.read(&path("in"));
        confinement.write(&path("out"));
        thread::scope(|scope| {
            let confined = scope.spawn(|| {
                confinement.enter().unwrap();
                assert_eq!(fs::read(path("in")).unwrap(), b"in");
                File::create(path("out")).unwrap().write_all(b"new").unwrap();
                assert!(fs::read(path("out")).is_err());
                assert!(File::create(path("in")).is_err());
                assert!(fs::read(path("other")).is_err());
                assert!(fs::read("/etc/passwd").is_err());
                assert!(File::create(path("fresh")).is_err());
                assert!(fs::remove_file(path("out")).is_err());
                assert!(TcpListener::bind("127.0.0.1:0").is_err());
                assert!(Command::new("/bin/true").status().is_err());
            });
            confined.join().unwrap();
        });
        assert_eq!(fs::read(path("out")).unwrap(), b"new");
        assert_eq!(fs::read(path("other")).unwrap(), b"other");
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let mut confinement = Confinement::default();
        confinement.read(Path::new("/no/such/file"));
        let failed = thread::spawn(move || confinement.enter().is_err()).join().unwrap();
        assert!(failed);
    }
}
