//! How OpenMP's threads wait for one another.
//!
//! By default they spin for long, which costs nothing on idle cores and ten times the speed on shared ones: the spinning
//! thread keeps the core from the thread that it waits for. Sleeping at once costs two thirds of the speed of a single
//! stream. So they spin for a moment, then sleep (`benches/README.md` has the figures). What the operator set stays.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variables by which an operator may have chosen already.
const CHOSEN_BY: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
/// Turns of the spinning loop: some microseconds, about as long as the threads of one operation differ.
const PATIENCE: (&str, &str) = ("GOMP_SPINCOUNT", "2000");

/// What to add to the environment of a process that decodes; OpenMP reads it before `main`.
pub fn patience() -> Option<(&'static str, &'static str)> {
    let is_chosen = CHOSEN_BY.iter().any(|name| env::var_os(name).is_some());
    (!is_chosen).then_some(PATIENCE)
}

/// Replaces this process by itself with [`patience`] in its environment, unless that is there already. Where that fails
/// the process goes on as it is, only slower.
pub fn start_again_with_patience() {
    let Some((name, value)) = patience() else { return };
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(called) = arguments.next() {
        command.arg0(called);
    }
    let error = command.args(arguments).env(name, value).exec();
    tracing::warn!(%error, "the process could not be started again");
}
