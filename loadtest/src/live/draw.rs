//! Pictures of a run as text.

use super::{Now, Phase};

/// Characters of the bar.
const BAR: usize = 24;

/// Goes back over so many lines and clears them.
pub fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
}

/// The lines of a picture, none longer than the terminal is wide: a line that wraps could not be drawn over.
pub fn picture(title: &str, now: &Now, earlier: Option<&Now>, width: usize) -> Vec<String> {
    let filled = (now.done.clamp(0.0, 1.0) * BAR as f64) as usize;
    let bar = format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled));
    let state = format!(
        "{bar} {:>3.0} %  {:.0} s  {} under way, {} done, {} errors{}",
        now.done.clamp(0.0, 1.0) * 100.0,
        now.elapsed.as_secs_f64(),
        now.under_way,
        now.counters.requests,
        now.errors,
        phase(now.phase)
    );
    let lines =
        [title.to_owned(), state, format!("now     {}", rates(now, earlier)), format!("so far  {}", times(now))];
    lines.map(|line| line.chars().take(width.saturating_sub(1)).collect()).into()
}

/// A run in one line.
pub fn line(title: &str, now: &Now, earlier: Option<&Now>) -> String {
    let rates = rates(now, earlier);
    let (done, errors) = (now.counters.requests, now.errors);
    let seconds = now.elapsed.as_secs_f64();
    format!("{title}: {seconds:.0} s, {done} done, {errors} errors, {rates}{}", phase(now.phase))
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Warmup => ", warming up",
        Phase::Counting => "",
        Phase::Draining => ", waiting for the last answers",
    }
}

/// Rates since the earlier moment, or since the start.
fn rates(now: &Now, earlier: Option<&Now>) -> String {
    let begin = earlier.map(|earlier| earlier.elapsed).unwrap_or_default();
    let seconds = now.elapsed.saturating_sub(begin).as_secs_f64().max(1e-3);
    let counters = earlier.map_or(now.counters, |earlier| now.counters.since(&earlier.counters));
    let rate = |count: u64, name: &str| format!("{:.1} {name}", count as f64 / seconds);
    let mut parts = vec![rate(counters.requests, "requests/s")];
    let optional = [
        (now.counters.output_tokens, counters.output_tokens, "tokens/s out"),
        (now.counters.prompt_tokens, counters.prompt_tokens, "tokens/s in"),
        (now.counters.vectors, counters.vectors, "vectors/s"),
    ];
    parts.extend(optional.iter().filter(|(all, ..)| *all > 0).map(|(_, count, name)| rate(*count, name)));
    if now.counters.output_tokens + now.counters.vectors == 0 {
        parts.push(format!("{:.2} MB/s in", counters.bytes_in as f64 / seconds / 1e6));
    }
    parts.join("  ")
}

fn times(now: &Now) -> String {
    let named = [("first event", now.ttft), ("between events", now.itl), ("whole answer", now.e2e)];
    let known = named.into_iter().filter_map(|(name, times)| times.map(|(p50, p99)| (name, p50, p99)));
    let parts: Vec<_> = known.map(|(name, p50, p99)| format!("{name} p50 {p50:.1} p99 {p99:.1} ms")).collect();
    if parts.is_empty() { "no times yet".to_owned() } else { parts.join("  ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Counters;
    use std::time::Duration;

    fn now(seconds: u64, tokens: u64) -> Now {
        Now {
            elapsed: Duration::from_secs(seconds),
            phase: Phase::Counting,
            done: 0.5,
            counters: Counters { requests: tokens / 10, output_tokens: tokens, ..Counters::default() },
            errors: 3,
            under_way: 16,
            ttft: Some((41.25, 88.0)),
            itl: None,
            e2e: None,
        }
    }

    #[test]
    fn rates_are_those_of_the_last_moments() {
        let text = picture("chat", &now(10, 2000), Some(&now(8, 1000)), 120).join("\n");
        for part in
            ["chat\n", "[############............]  50 %", "16 under way, 200 done, 3 errors", "500.0 tokens/s out"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("first event p50 41.2 p99 88.0 ms") && !text.contains("between events"), "{text}");
        let first = picture("chat", &now(10, 2000), None, 120).join("\n");
        assert!(first.contains("200.0 tokens/s out"), "since the start: {first}");
        assert!(line("chat", &now(5, 2000), None).starts_with("chat: 5 s, 200 done, 3 errors, 40.0 requests/s"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [0, 1, 20, 80, 500] {
            let picture = picture(&"é".repeat(300), &now(10, 2000), None, width);
            assert!(picture.iter().all(|line| line.chars().count() <= width), "{width}: {picture:?}");
            assert_eq!(picture.len(), 4);
        }
        assert_eq!((up(0).as_str(), up(4).as_str()), ("", "\x1b[4A\r\x1b[J"));
    }

    #[test]
    fn parts_of_a_run_are_told() {
        for (phase, part) in [(Phase::Warmup, "warming up"), (Phase::Draining, "last answers")] {
            assert!(line("a", &Now { phase, ..now(1, 0) }, None).contains(part));
        }
        let plain = Now { counters: Counters { bytes_in: 5_000_000, ..Counters::default() }, ttft: None, ..now(5, 0) };
        let text = picture("a", &plain, None, 200).join("\n");
        assert!(text.contains("1.00 MB/s in") && text.contains("no times yet"), "{text}");
    }
}
