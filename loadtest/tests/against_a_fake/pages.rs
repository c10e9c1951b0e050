//! Pages, as a browser shows them: Debian's chromium, without a screen. Where there is none, the test says so.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fake::{Fake, measure, number};

/// What is put into the page to look at it.
const LOOK: &str = include_str!("look.js");
/// How long a browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// Opens the page in a window of this width, and tells what is seen.
fn look_at(browser: &Path, folder: &Path, page: &str, width: u32) -> Value {
    let file = folder.join("page.html");
    std::fs::write(&file, page.replacen("<style>", &format!("<script>{LOOK}</script><style>"), 1)).unwrap();
    let mut process = Command::new(browser)
        // Root has no sandbox, and containers little shared memory.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--virtual-time-budget=2000", "--dump-dom", &format!("--window-size={width},900")])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = process.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let began = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            process.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = reader.join().unwrap().unwrap();
    let found = text.split("<pre id=\"found\">").nth(1).unwrap_or_else(|| panic!("the script did not end: {text}"));
    serde_json::from_slice(&from_base64(found.split('<').next().unwrap())).unwrap()
}

/// Base 64 (RFC 4648 section 4), which a dump does not escape.
fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').chars().map(|digit| DIGITS.find(digit).unwrap() as u32);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        (bits, count) = (bits << 6 | digit, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

/// What holds for every page: all is drawn, nothing lies outside, nothing is asked for, nothing fails.
fn assert_is_whole(found: &Value, page: &str) {
    assert_eq!((&found["problems"], &found["resources"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert!(number(found, "overflow") < 1.0, "wider than its window of {}: {found}", found["width"]);
    for plot in found["plots"].as_array().unwrap() {
        assert!(number(plot, "width") > 250.0 && number(plot, "height") > 100.0, "{plot}");
        for field in ["strayLines", "strayTexts", "unpainted", "moved"] {
            assert_eq!(plot[field], 0, "{plot}");
        }
        assert!(number(plot, "lines") > 0.0 && plot["told"].as_str().unwrap().starts_with("at "), "{plot}");
        assert!(plot["points"].as_array().unwrap().iter().all(|points| points.as_u64() > Some(0)), "{plot}");
    }
    for reference in ["src=", "href=", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
}

fn titles(found: &Value) -> Vec<&str> {
    found["plots"].as_array().unwrap().iter().map(|plot| plot["title"].as_str().unwrap()).collect()
}

fn page_of(command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("out.html");
    let (output, _) = measure(&format!("{command} --quiet --html {}", html.display()));
    std::fs::read_to_string(&html).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_page_shows_the_run() {
    let fake = Fake::start("--ttft 10ms --gap 3ms --spread exponential");
    let page = page_of(&format!("run --url {} --duration 900ms --concurrency 4 --extra {{\"a\":\"<b>\"}}", fake.url));
    assert!(page.contains("<h1>generate on http://127.0.0.1:") && page.contains("<td>first event</td>"), "{page}");
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no chromium to look at the page with");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let found = look_at(&browser, folder.path(), &page, 1100);
    assert_is_whole(&found, &page);
    assert_eq!(
        titles(&found),
        [
            "Throughput",
            "Requests under way",
            "Time to the first event",
            "Time between events",
            "Time to the first event",
            "Time between events",
            "Time of the whole answer"
        ]
    );
    assert!(number(&found, "tiles") >= 6.0 && number(&found, "tables") >= 3.0, "{found}");
}

#[test]
fn a_page_shows_a_scenario_with_all_its_steps() {
    let (one, other) = (Fake::start("--ttft 3ms --gap 1ms"), Fake::start("--ttft 6ms --gap 1ms"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    let text = "title = \"two <servers>\"\n[defaults]\nrequests = 8\nmax-tokens = 6\n\
                [[step]]\nname = \"both\"\ncommand = \"compare\"\nrounds = 2\nconcurrency = [1, 2, 4]\n\
                [[step]]\nname = \"limit\"\ncommand = \"sweep\"\nlevels = [1, 2, 8]\ngoal-ttft = \"1s\"\n";
    std::fs::write(&file, text).unwrap();
    let page = page_of(&format!("scenario {} --url {} --vs {}", file.display(), one.url, other.url));
    assert!(page.contains("<h1>two &lt;servers&gt;</h1>"), "{page}");
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no chromium to look at the page with");
        return;
    };
    for width in [1100, 390] {
        let found = look_at(&browser, folder.path(), &page, width);
        assert_is_whole(&found, &page);
        let headings = found["headings"].to_string();
        assert!(headings.contains("both, over loads") && headings.contains("the highest load of generate"), "{found}");
        let seen = titles(&found);
        // Over loads: once for the comparisons together, once for the sweep.
        assert_eq!(seen.iter().filter(|title| **title == "Throughput").count(), 1 + 3 + 1, "{seen:?}");
        assert!(seen.contains(&"Requests within the goal"), "{seen:?}");
        assert_eq!(found["plots"][0]["points"], serde_json::json!([3, 3]), "two servers under three loads");
    }
}
