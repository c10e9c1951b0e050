//! Parses the command line, nothing else.

use std::process::ExitCode;

/// Small allocations of many threads: mimalloc costs less of them than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    llamero::cli::main()
}
