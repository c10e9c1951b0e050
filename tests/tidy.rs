//! Lints the repository: what no compiler checks. One function per check, each with a test on a sample.
//!
//! Where a limit is not met yet, today's value stands in a table below. A value may only go down, and an entry that
//! is no longer true fails, so that the tables empty themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "tidy/source.rs"]
mod source;

use source::{code, functions, is_test_attribute, line_of, without_tests, words};

/// Longest Rust file, in lines.
const FILE_LINES_MAX: usize = 500;
/// Longest Rust function, in lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Largest file that git may track.
const FILE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Files over [`FILE_LINES_MAX`]: path and lines today.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions over [`FUNCTION_LINES_MAX`]: `path: name` and lines today.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];
/// Calls of `unwrap` and `expect` outside tests: path and number today.
const UNWRAPS: &[(&str, usize)] = &[];

/// All that may lie at the top, besides files whose name begins with a dot.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "benches",
    "configs",
    "kernels",
    "loadtest",
    "rustfmt.toml",
    "src",
    "tests",
];
/// Folders whose files need not be text.
const BINARY_FOLDERS: &[&str] = &["tests/data/", "tests/fuzz/corpus/"];
/// The only places for `unsafe`.
const UNSAFE_PLACES: &[&str] = &["src/stream/", "src/engine/ffi", "kernels/"];
/// Sources that ship: no panics on outside data, and a header that says what the file is for.
const SHIPPED: &[&str] = &["src/", "kernels/src/", "loadtest/src/"];

/// A tracked file. `text` is `None` where the bytes are not UTF-8.
struct Tracked {
    path: String,
    bytes: usize,
    text: Option<String>,
}

impl Tracked {
    fn lies_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// The text of a Rust source.
    fn rust(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.is_rust())
    }
}

/// The files that git tracks or would track, as they are on disk.
fn tracked() -> Vec<Tracked> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git runs");
    assert!(listing.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listing.stderr));
    let paths = String::from_utf8(listing.stdout).expect("paths are UTF-8");
    let mut files: Vec<_> = paths
        .split_terminator('\0')
        .filter_map(|path| {
            let bytes = fs::read(root.join(path)).ok()?;
            Some(Tracked { path: path.to_owned(), bytes: bytes.len(), text: String::from_utf8(bytes).ok() })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Fails with one line per finding.
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n  {}\n", findings.join("\n  "));
}

/// Holds `found` (name and value, only those over the limit) against the table of today's exceptions.
fn ratchet(found: &[(String, usize)], table: &[(&str, usize)]) -> Vec<String> {
    let allowed = |name: &str| table.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value);
    let over = found.iter().filter(|(name, value)| *value > allowed(name));
    let mut findings: Vec<_> =
        over.map(|(name, value)| format!("{name}: {value}, allowed {}", allowed(name))).collect();
    for (name, value) in table {
        let today = found.iter().find(|(known, _)| known == name).map_or(0, |(_, today)| *today);
        if today < *value {
            findings.push(format!("{name}: the table says {value}, today it is {today}: lower or remove the entry"));
        }
    }
    findings
}

/// Modules declared as `#[cfg(test)] mod name;`: their files hold nothing that ships. Paths without `.rs`.
fn test_modules(files: &[Tracked]) -> Vec<String> {
    let mut modules = Vec::new();
    for file in files {
        let Some(source) = file.rust() else { continue };
        let code = code(source);
        let folder = match file.path.strip_suffix("/mod.rs").or_else(|| file.path.strip_suffix("/lib.rs")) {
            Some(folder) => folder.to_owned(),
            None => file.path.trim_end_matches(".rs").to_owned(),
        };
        for (at, _) in
            code.match_indices("#[cfg(").filter(|(at, _)| is_test_attribute(code[*at..].lines().next().unwrap_or("")))
        {
            let after = &code[at + code[at..].find(']').map_or(0, |end| end + 1)..];
            let name =
                after.trim_start().strip_prefix("pub(crate) ").unwrap_or(after.trim_start()).strip_prefix("mod ");
            if let Some((name, _)) = name.and_then(|rest| rest.split_once(';')).filter(|(name, _)| !name.contains('{'))
            {
                modules.push(format!("{folder}/{}", name.trim()));
            }
        }
    }
    modules
}

fn long_files(files: &[Tracked]) -> Vec<(String, usize)> {
    let lines = files.iter().filter_map(|file| Some((file.path.clone(), file.rust()?.lines().count())));
    lines.filter(|(_, lines)| *lines > FILE_LINES_MAX).collect()
}

fn long_functions(files: &[Tracked]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for file in files {
        let Some(source) = file.rust() else { continue };
        let long = functions(&code(source)).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        found.extend(long.map(|(name, lines)| (format!("{}: {name}", file.path), lines)));
    }
    found
}

fn unwraps(files: &[Tracked]) -> Vec<(String, usize)> {
    let tests = test_modules(files);
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.lies_in(SHIPPED)) {
        let stem = file.path.trim_end_matches(".rs");
        if tests.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/"))) {
            continue;
        }
        let Some(source) = file.rust() else { continue };
        let code = without_tests(&code(source));
        let count = code.matches(".unwrap()").count() + code.matches(".expect(").count();
        if count > 0 {
            found.push((file.path.clone(), count));
        }
    }
    found
}

/// Words that promise work for later, and macros that stand in for it. Taken apart, so that this file is clean too.
fn placeholders(files: &[Tracked]) -> Vec<String> {
    const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    const CODE: &[&str] =
        &[concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("#[ign", "ore"), concat!("db", "g!(")];
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.lies_in(BINARY_FOLDERS)) {
        let Some(text) = &file.text else { continue };
        let mut tell = |at: usize, what: &str| findings.push(format!("{}:{}: {what}", file.path, line_of(text, at)));
        for word in WORDS {
            words(text, word).for_each(|at| tell(at, word));
        }
        for stand_in in CODE.iter().filter(|_| file.is_rust()) {
            text.match_indices(stand_in).for_each(|(at, _)| tell(at, stand_in));
        }
    }
    findings
}

fn stray_unsafe(files: &[Tracked]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.lies_in(SHIPPED) && !file.lies_in(UNSAFE_PLACES)) {
        let Some(source) = file.rust() else { continue };
        let code = code(source);
        findings.extend(words(&code, "unsafe").map(|at| format!("{}:{}", file.path, line_of(&code, at))));
    }
    findings
}

fn large_files(files: &[Tracked]) -> Vec<String> {
    let large = files.iter().filter(|file| file.bytes > FILE_BYTES_MAX);
    large.map(|file| format!("{}: {} bytes", file.path, file.bytes)).collect()
}

fn binaries(files: &[Tracked]) -> Vec<String> {
    let is_text = |file: &&Tracked| file.text.as_ref().is_some_and(|text| !text.contains('\0'));
    let binary = files.iter().filter(|file| !is_text(file) && !file.lies_in(BINARY_FOLDERS));
    binary.map(|file| file.path.clone()).collect()
}

fn without_header(files: &[Tracked]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.lies_in(SHIPPED));
    let bare = sources.filter(|file| file.rust().is_some_and(|source| !source.starts_with("//!")));
    bare.map(|file| file.path.clone()).collect()
}

/// Paths of one machine, which mean nothing on another.
fn machine_paths(files: &[Tracked]) -> Vec<String> {
    const PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let mut findings = Vec::new();
    for file in files {
        let Some(text) = &file.text else { continue };
        for path in PATHS {
            let stands_alone =
                |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c));
            let hits = text.match_indices(path).map(|(at, _)| at).filter(stands_alone);
            findings.extend(hits.map(|at| format!("{}:{}: {path}", file.path, line_of(text, at))));
        }
    }
    findings
}

fn strangers_at_the_top(files: &[Tracked]) -> Vec<String> {
    let mut tops: Vec<_> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    tops.dedup();
    tops.retain(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top));
    tops.into_iter().map(str::to_owned).collect()
}

/// Fuzz targets that their manifest does not name, which nothing would build.
fn forgotten_fuzzers(files: &[Tracked]) -> Vec<String> {
    const FOLDER: &str = "tests/fuzz/";
    let manifest = files.iter().find(|file| file.path == format!("{FOLDER}Cargo.toml"));
    let manifest = manifest.and_then(|file| file.text.as_deref()).unwrap_or_default();
    let targets = files.iter().filter_map(|file| file.path.strip_prefix(FOLDER));
    let targets = targets.filter(|path| path.starts_with("fuzz_targets/"));
    targets.filter(|path| !manifest.contains(&format!("path = \"{path}\""))).map(str::to_owned).collect()
}

#[test]
fn files_are_short() {
    assert_none(&ratchet(&long_files(&tracked()), LONG_FILES));
}

#[test]
fn functions_are_short() {
    assert_none(&ratchet(&long_functions(&tracked()), LONG_FUNCTIONS));
}

#[test]
fn nothing_that_ships_unwraps() {
    assert_none(&ratchet(&unwraps(&tracked()), UNWRAPS));
}

#[test]
fn nothing_is_put_off() {
    assert_none(&placeholders(&tracked()));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    assert_none(&stray_unsafe(&tracked()));
}

#[test]
fn no_file_is_large_and_none_is_a_blob() {
    let files = tracked();
    assert_none(&large_files(&files));
    assert_none(&binaries(&files));
}

#[test]
fn every_source_says_what_it_is_for() {
    assert_none(&without_header(&tracked()));
}

#[test]
fn no_file_names_paths_of_one_machine() {
    assert_none(&machine_paths(&tracked()));
}

#[test]
fn the_top_level_is_closed() {
    assert_none(&strangers_at_the_top(&tracked()));
}

#[test]
fn every_fuzzer_is_built() {
    assert_none(&forgotten_fuzzers(&tracked()));
}

/// The checks on samples: each finds what it is for, and nothing else.
mod samples {
    use super::*;

    fn sample(path: &str, text: &str) -> Tracked {
        Tracked { path: path.to_owned(), bytes: text.len(), text: Some(text.to_owned()) }
    }

    #[test]
    fn fuzzers_are_named() {
        let manifest = sample("tests/fuzz/Cargo.toml", "[[bin]]\npath = \"fuzz_targets/a.rs\"\n");
        let target = |name: &str| sample(&format!("tests/fuzz/fuzz_targets/{name}.rs"), "");
        assert_eq!(forgotten_fuzzers(&[manifest, target("a"), target("b")]), ["fuzz_targets/b.rs"]);
    }

    #[test]
    fn the_ratchet_turns_one_way() {
        let found = |value| vec![("a".to_owned(), value)];
        assert!(ratchet(&found(7), &[("a", 7)]).is_empty());
        assert_eq!(ratchet(&found(8), &[("a", 7)]), ["a: 8, allowed 7"]);
        assert_eq!(ratchet(&found(8), &[]), ["a: 8, allowed 0"]);
        assert_eq!(ratchet(&found(6), &[("a", 7)]).len(), 1, "an entry that is too high");
        assert_eq!(ratchet(&[], &[("a", 7)]).len(), 1, "an entry that is stale");
    }

    #[test]
    fn lengths() {
        let body = "x();\n".repeat(FUNCTION_LINES_MAX - 2);
        let (fits, long) = (format!("fn a() {{\n{body}}}\n"), format!("fn b() {{\n{body}\n}}\n"));
        let found = long_functions(&[sample("src/a.rs", &fits), sample("src/b.rs", &long), sample("c.md", &long)]);
        assert_eq!(found, [("src/b.rs: b".to_owned(), 71)]);
        let found = long_files(&[sample("a.rs", &"\n".repeat(500)), sample("b.rs", &"\n".repeat(501))]);
        assert_eq!(found, [("b.rs".to_owned(), 501)]);
    }

    #[test]
    fn calls_that_may_panic() {
        let calls = "fn f() { a.unwrap(); b.expect(\"c\"); d.unwrap_or(1) }";
        let files = [
            sample("src/lib.rs", "#[cfg(test)]\nmod fake;\nmod real;"),
            sample("src/fake.rs", calls),
            sample("src/real.rs", &format!("{calls}\n#[cfg(test)]\nmod tests {{ {calls} }}\n// a.unwrap()")),
            sample("tests/a.rs", calls),
        ];
        assert_eq!(unwraps(&files), [("src/real.rs".to_owned(), 2)]);
    }

    #[test]
    fn placeholders_are_found() {
        let bad = ["// TO\u{0}DO later", "FIX\u{0}ME", "#[ign\u{0}ore = \"slow\"]", "to\u{0}do!()", "db\u{0}g!(x)"];
        for text in bad.map(|text| text.replace('\u{0}', "")) {
            assert_eq!(placeholders(&[sample("src/a.rs", &text)]).len(), 1, "{text}");
        }
        assert!(placeholders(&[sample("src/a.rs", "AUTODOC, mastodon"), sample("a.gitignore", "x")]).is_empty());
    }

    #[test]
    fn places() {
        let bad = sample("src/net/mod.rs", "let a = unsafe { b };");
        let good = [
            sample("src/stream/ring.rs", "unsafe {}"),
            sample("src/engine/ffi/mod.rs", "unsafe {}"),
            sample("kernels/src/lib.rs", "unsafe {}"),
            sample("src/net/a.rs", "// unsafe\nlet unsafe_op = \"unsafe\";"),
        ];
        assert!(stray_unsafe(&good).is_empty());
        assert_eq!(stray_unsafe(&[bad]), ["src/net/mod.rs:1"]);
        let tops = [sample("src/a", ""), sample(".ci/run", ""), sample("scripts/a", ""), sample("notes.txt", "")];
        assert_eq!(strangers_at_the_top(&tops), ["scripts", "notes.txt"]);
        assert_eq!(without_header(&[sample("src/a.rs", "//! A"), sample("src/b.rs", "use a;")]), ["src/b.rs"]);
    }

    #[test]
    fn contents() {
        let blob = Tracked { path: "configs/a".to_owned(), bytes: 4 << 20, text: None };
        let data = Tracked { path: "tests/data/m.gguf".to_owned(), bytes: 9, text: None };
        let files = [blob, data, sample("b.txt", "a\0b")];
        assert_eq!(large_files(&files).len(), 1);
        assert_eq!(binaries(&files), ["configs/a", "b.txt"]);
        let paths = format!("see {}x\nnet/work/ ok, ~{}x ok", concat!("/wo", "rk/"), concat!("/ro", "ot/"));
        assert_eq!(machine_paths(&[sample("a.md", &paths)]).len(), 1);
    }
}
