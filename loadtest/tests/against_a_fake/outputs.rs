//! Where results go, and what is left of a run that is ended early.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fake::{Fake, number};

fn begin(flags: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_llamero-loadtest"))
        .args(flags.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn done(flags: &str) -> Output {
    begin(flags).wait_with_output().unwrap()
}

#[test]
fn a_file_can_be_the_standard_output() {
    let fake = Fake::start("--ttft 1ms --gap 1ms");
    let output = done(&format!("run --url {} --requests 3 --quiet --json -", fake.url));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["requests"], output.status.success()), (&3.into(), true));
    assert!(String::from_utf8_lossy(&output.stderr).contains("first event"), "the table: {output:?}");
    let output = done(&format!("run --url {} --requests 3 --quiet --html -", fake.url));
    assert!(output.stdout.starts_with(b"<!DOCTYPE html>"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_asked() {
    let fake = Fake::start("");
    let output = done(&format!("run --url {} --requests 3 --json /no/such/folder/a.json", fake.url));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("/no/such/folder/a.json: No such file"), "{told}");
    assert_eq!((output.status.code(), &fake.truth()["answers"]), (Some(1), &0.into()));
}

/// Ends a command after a while, as Ctrl-C does: its exit code, its JSON and what it told.
fn interrupted(flags: &str, after: Duration) -> (Option<i32>, Value, String) {
    let process = begin(&format!("{flags} --json -"));
    std::thread::sleep(after);
    kill_process(Pid::from_child(&process), Signal::INT).unwrap();
    let output = process.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), told)
}

#[test]
fn what_is_interrupted_tells_what_it_found() {
    let fake = Fake::start("--ttft 1ms --gap 1ms --tokens 4");
    let (code, json, told) = interrupted(&format!("run --url {} --duration 1h", fake.url), Duration::from_millis(600));
    assert!(code == Some(1) && told.contains("llamero-loadtest: interrupted"), "{code:?}: {told}");
    assert!(number(&json, "requests") > 0.0 && number(&json, "wall_seconds") < 60.0, "{json}");
    assert!(json["warnings"].to_string().contains("interrupted"), "{json}");
    // Of two steps the first takes a moment, the second an hour.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, "[[step]]\nrequests = 2\n[[step]]\nduration = \"1h\"\n[[step]]\nrequests = 2\n").unwrap();
    let flags = format!("scenario {} --url {}", file.display(), fake.url);
    let (code, json, told) = interrupted(&flags, Duration::from_millis(1500));
    assert!(code == Some(1) && told.contains("llamero-loadtest: interrupted"), "{code:?}: {told}");
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json["steps"][0]["result"]["requests"], 2, "{json}");
    // Before a first round there is nothing to tell.
    let flags = format!("compare --url {} --vs {} --duration 1h", fake.url, fake.url);
    let (code, json, told) = interrupted(&flags, Duration::from_millis(600));
    assert!(code == Some(1) && json.is_null() && told.contains("llamero-loadtest: interrupted"), "{code:?}: {told}");
}
