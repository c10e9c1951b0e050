//! The real binary's command line: names, words and exit codes (the behaviour page, section 9), with nobody to talk to
//! and, in `models`, with a real server.

mod models;
#[path = "../serve/server.rs"]
mod server;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the binary against an address at which nobody can listen.
fn llamero(binary: &Path, arguments: &[&str]) -> Output {
    Command::new(binary)
        .args(arguments)
        .env("OLLAMA_HOST", "unix:/nonexistent/llamero.sock")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

const BINARY: &str = env!("CARGO_BIN_EXE_llamero");

#[test]
fn every_client_command_says_that_nobody_listens() {
    let want = "Error: could not connect to ollama server, run 'ollama serve' to start it\n";
    let commands: [&[&str]; 9] = [
        &["list"],
        &["ls", "x"],
        &["ps"],
        &["stop", "m"],
        &["run", "m", "hello"],
        &["create", "m", "-f", "/nonexistent/Modelfile"],
        &["show", "m"],
        &["cp", "a", "b"],
        &["rm", "m"],
    ];
    for arguments in commands {
        let output = llamero(Path::new(BINARY), arguments);
        assert_eq!(text(&output.stderr), want, "{arguments:?}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
    }
}

#[test]
fn the_version_needs_no_server() {
    let output = llamero(Path::new(BINARY), &["-v"]);
    let version = env!("CARGO_PKG_VERSION");
    let want =
        format!("Warning: could not connect to a running Ollama instance\nWarning: client version is {version}\n");
    assert_eq!((text(&output.stdout), output.status.code()), (want, Some(0)));
}

#[test]
fn a_wrong_command_line_is_an_error_like_every_other() {
    let cases: [(&[&str], &str); 4] = [
        (&["sing"], "Error: unrecognized subcommand 'sing'"),
        (&["stop"], "Error: the following required arguments were not provided"),
        (&["rm"], "Error: the following required arguments were not provided"),
        (&["cp", "a"], "Error: the following required arguments were not provided"),
    ];
    for (arguments, want) in cases {
        let output = llamero(Path::new(BINARY), arguments);
        assert!(text(&output.stderr).starts_with(want), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_link_named_ollama_answers_to_that_name() {
    let folder = tempfile::tempdir().expect("a folder for the link");
    let link = folder.path().join("ollama");
    symlink(BINARY, &link).expect("the link is made");
    for (binary, name) in [(link.as_path(), "ollama"), (Path::new(BINARY), "llamero")] {
        let output = llamero(binary, &["run", "--help"]);
        assert!(text(&output.stdout).contains(&format!("Usage: {name} run")), "{}", text(&output.stdout));
        assert_eq!(output.status.code(), Some(0));
        let without = llamero(binary, &[]);
        assert!(text(&without.stdout).contains(&format!("Usage: {name}")), "{}", text(&without.stdout));
    }
}
