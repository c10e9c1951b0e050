//! What a run shows while it goes.

use std::process::Command;

use crate::fake::{Fake, ensure, in_one_of_three};

const FLAGS: &str = "--duration 2600ms --concurrency 3 --max-tokens 5";

#[test]
fn plain_lines_where_there_is_no_terminal() {
    let fake = Fake::start("--ttft 5ms --gap 5ms");
    in_one_of_three(|| {
        let (output, json) = fake.load(FLAGS);
        let (shown, printed) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(shown.contains(" tokens/s out") && !shown.contains('\u{1b}'), "{shown}");
        assert!(printed.contains("first event"), "{printed}");
        let timeline = json["timeline"].as_array().unwrap();
        let tokens: f64 = timeline.iter().map(|point| point["output_tokens_per_second"].as_f64().unwrap()).sum();
        let mean = tokens / timeline.len() as f64;
        let whole = json["output_tokens_per_second"].as_f64().unwrap();
        ensure((mean / whole - 1.0).abs() < 0.25, || format!("{mean} {whole}"))?;
        ensure((10..=27).contains(&timeline.len()), || format!("{} pieces of 2.6 s", timeline.len()))?;
        ensure(shown.contains("fake, 3 clients: 2 s, "), || shown.clone())
    });
    assert!(fake.load("--requests 3 --quiet").0.stderr.is_empty());
}

/// `script` lends a terminal; it belongs to every Debian.
#[test]
fn a_picture_on_a_terminal_that_leaves_nothing_behind() {
    let fake = Fake::start("--ttft 5ms --gap 5ms");
    let program = env!("CARGO_BIN_EXE_llamero-loadtest");
    let command = format!("{program} run --url {} {FLAGS}", fake.url);
    in_one_of_three(|| {
        let Ok(output) = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::null())
            .output()
        else {
            eprintln!("skipped: there is no script(1)");
            return Ok(());
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let pictures = text.matches(" under way, ").count();
        assert_eq!(text.matches("\u{1b}[4A\r\u{1b}[J").count(), pictures, "each is taken away: {text}");
        assert!(text.contains("%  ") && text.contains("so far  first event p50"), "{text}");
        assert!(text.rsplit('\u{1b}').next().unwrap().contains("output tokens"), "the table comes last: {text}");
        ensure((3..=6).contains(&pictures), || format!("two a second for 2.6 s, {pictures}: {text}"))?;
        ensure(text.contains("3 under way"), || text.to_string())
    });
}
