//! Which driver serves: io_uring where the kernel and the container allow it, else epoll.
//!
//! Container runtimes often forbid io_uring by seccomp, so it is tried for real at start: a ring with a core's own flags
//! is made, asked for the operations that a core uses, and entered. On epoll every file operation would block the core,
//! so there file work goes to workers.

use std::fmt;
use std::future::Future;
use std::io;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// Entries of a core's submission queue. 1,024 streams submit their sends in one go.
const RING_ENTRIES: u32 = 2048;

/// How a core waits for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Submissions in batches, completions without system calls.
    IoUring,
    /// Readiness, one system call for each operation.
    Epoll,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        })
    }
}

/// Tries io_uring for real and tells which driver to use, and why not io_uring if it is epoll.
pub fn probe() -> (Driver, Option<io::Error>) {
    match probe_ring() {
        Ok(()) => (Driver::IoUring, None),
        Err(error) => (Driver::Epoll, Some(error)),
    }
}

/// The flags of a core's ring. The probe uses them, too: a kernel may know rings and not these (they came with 6.0).
fn core_ring() -> io_uring::Builder {
    let mut ring = io_uring::IoUring::builder();
    // No DEFER_TASKRUN: no faster, and it hangs when a task wakes itself while the queue is never empty.
    ring.setup_single_issuer().setup_coop_taskrun();
    ring
}

fn probe_ring() -> io::Result<()> {
    let ring = core_ring().build(8)?;
    let mut supported = io_uring::Probe::new();
    ring.submitter().register_probe(&mut supported)?;
    // What a core uses: without one of these (kernels before 5.7) readiness is the better driver.
    let needed = [
        io_uring::opcode::Send::CODE,
        io_uring::opcode::Recv::CODE,
        io_uring::opcode::Accept::CODE,
        io_uring::opcode::AsyncCancel::CODE,
    ];
    if let Some(code) = needed.into_iter().find(|code| !supported.is_supported(*code)) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("io_uring operation {code} is missing")));
    }
    ring.submit()?;
    Ok(())
}

/// Runs `main` on a runtime of its own on this thread until it ends.
///
/// The runtime is built here, on the thread that runs it: a ring with a single issuer hangs silently otherwise.
///
/// # Errors
/// When the kernel refuses the ring or the epoll instance.
pub fn block_on<F: Future>(driver: Driver, workers: usize, main: F) -> io::Result<F::Output> {
    let pool = Box::new(monoio::blocking::DefaultThreadPool::new(workers));
    match driver {
        Driver::IoUring => {
            match RuntimeBuilder::<IoUringDriver>::new()
                .with_entries(RING_ENTRIES)
                .uring_builder(core_ring())
                .attach_thread_pool(pool)
                .enable_timer()
                .build()
            {
                Ok(mut runtime) => Ok(runtime.block_on(main)),
                Err(error) => Err(error),
            }
        }
        Driver::Epoll => {
            let mut runtime = RuntimeBuilder::<LegacyDriver>::new().attach_thread_pool(pool).enable_timer().build()?;
            Ok(runtime.block_on(main))
        }
    }
}
