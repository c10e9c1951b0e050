//! Runs a check over the rows of a file, and judges the outcome: every row is equal but those of a list of exceptions.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use super::sets::Sets;

/// Beginning of the ids of rows that may differ, and why.
pub type Exceptions = &'static [(&'static str, &'static str)];

/// The folder of Ollama's records.
pub fn folder() -> PathBuf {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens"));
    env::var_os("GOLDENS_DIR").map_or_else(default, PathBuf::from)
}

/// The rows of a file in a folder, one JSON object a line.
pub fn rows(folder: &Path, file: &str) -> Vec<Value> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let row = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
    text.lines().filter(|line| !line.is_empty()).map(row).collect()
}

/// Holds every row of `file` against `check`, which says what differs. Prints how many are equal, and the excused with their reasons.
///
/// Fails where a row differs that is no exception, where an exception is equal after all, and where they are more than one
/// in a hundred, rounded up.
pub fn hold(folder: &Path, file: &str, exceptions: Exceptions, check: impl Fn(&Value, &Sets) -> Result<(), String>) {
    let (rows, sets) = (rows(folder, file), Sets::load(folder));
    let (mut equal, mut excused, mut findings) = (0, 0, Vec::new());
    for row in &rows {
        let id = row["id"].as_str().unwrap_or_default();
        let exception = exceptions.iter().find(|(prefix, _)| id.starts_with(prefix));
        match (check(row, &sets), exception) {
            (Ok(()), None) => equal += 1,
            (Ok(()), Some((_, why))) => findings.push(format!("{id}: equal, although it is an exception ({why})")),
            (Err(_), Some((_, why))) => {
                println!("  {file}: excused {id}: {why}");
                excused += 1;
            }
            (Err(difference), None) => findings.push(format!("{id}: {difference}")),
        }
    }
    println!("{file}: {equal} of {} equal", rows.len());
    assert!(!rows.is_empty(), "{file} has no rows");
    assert!(excused <= rows.len().div_ceil(100), "{file}: {excused} exceptions");
    assert!(findings.is_empty(), "{} rows of {file}\n  {}\n", findings.len(), findings.join("\n  "));
}

/// Two texts that should be equal.
pub fn same(what: &str, got: &str, want: &str) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}\n    got  {got:?}\n    want {want:?}")) }
}
