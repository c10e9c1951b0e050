//! Plays what a real Ollama was asked, in order, and compares the answers with the recorded ones, by the rules in
//! `tests/data/transcripts/README.md`.
//!
//! Without further ado the test starts a llamero of its own on an empty store. `LLAMERO_TEST_URL=http://host:port` points
//! it at another server, which may be Ollama itself; its store must be empty, too. `LLAMERO_TEST_MINILM` is the path of
//! the embedding model (`tests/data/minilm/make.py`): without it the rows that need it are played and not judged.
//! All rows are played, because some need what others made; those in `not_yet.txt` are not judged.

#![cfg(feature = "llama")]

mod judge;
mod play;
mod rows;
#[path = "../serve/server.rs"]
mod server;
mod streams;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How the rows of one group came out.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
    not_yet: Vec<String>,
    /// In `not_yet.txt`, and right all the same.
    better: Vec<String>,
    skipped: usize,
}

fn play_all(target: &play::Target) -> (BTreeMap<String, Tally>, String) {
    let (free, not_yet) = (rows::free(), rows::not_yet());
    let has_minilm = play::gguf("minilm.gguf").is_some();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut report = String::new();
    for row in rows::rows() {
        let differences = match target.play(&row.request) {
            Ok(got) => judge::judge(&row, &got, free.get(&row.id).copied()),
            Err(why) => vec![why],
        };
        let tally = tallies.entry(row.group().to_owned()).or_default();
        let waits = not_yet.contains(&row.id);
        match (row.needs_minilm() && !has_minilm, differences.is_empty()) {
            (true, _) => tally.skipped += 1,
            (_, true) if waits => tally.better.push(row.id.clone()),
            (_, true) => tally.passed += 1,
            (_, false) if waits => tally.not_yet.push(row.id.clone()),
            (_, false) => tally.failed.push(row.id.clone()),
        }
        if !differences.is_empty() {
            let mark = if waits { "not judged yet" } else { "FAILED" };
            let _ = writeln!(report, "{} ({mark})\n    {}", row.id, differences.join("\n    "));
        }
    }
    (tallies, report)
}

/// One line for each group.
fn table(tallies: &BTreeMap<String, Tally>) -> String {
    let mut table = String::new();
    for (group, tally) in tallies {
        let Tally { passed, failed, not_yet, better, skipped } = tally;
        let (failed, not_yet, better) = (failed.len(), not_yet.len(), better.len());
        let _ = writeln!(
            table,
            "{group:12} passed {passed:3}  failed {failed:3}  not judged yet {not_yet:3} (and {better} right)  without model {skipped:3}"
        );
    }
    table
}

/// Row after row against a server with an empty store.
#[test]
fn what_ollama_answered_is_answered() {
    let url = std::env::var("LLAMERO_TEST_URL").ok();
    let server = url.is_none().then(|| server::Server::start(&[]));
    let target = match (&url, &server) {
        (Some(url), _) => play::Target::parse(url),
        (None, Some(server)) => play::Target::at(server.address),
        (None, None) => unreachable!("a server was started"),
    };
    let (tallies, report) = play_all(&target);
    println!("{report}\n{}", table(&tallies));
    let all = |of: fn(&Tally) -> &Vec<String>| tallies.values().flat_map(of).cloned().collect::<Vec<_>>();
    let failed = all(|tally| &tally.failed);
    assert!(failed.is_empty(), "{} rows differ from what Ollama answered: {}", failed.len(), failed.join(" "));
    if server.is_some() {
        let better = all(|tally| &tally.better);
        assert!(better.is_empty(), "right by now, to be taken out of not_yet.txt: {}", better.join(" "));
    }
}

/// A name that no row has would judge nothing.
#[test]
fn the_lists_name_rows() {
    let known: Vec<String> = rows::rows().into_iter().map(|row| row.id).collect();
    let lists = rows::free().into_keys().chain(rows::not_yet());
    let unknown: Vec<String> = lists.filter(|id| !known.contains(id)).collect();
    assert_eq!(unknown, [""; 0]);
}
