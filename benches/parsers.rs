//! What a parser of answers takes for one piece of text: every answer of `parsers.jsonl` and `generic.jsonl`, fed in
//! pieces of four characters, as tokens have, and character by character.
//!
//! Goal: the time that the inference thread waits, at most [`GOAL`] for 99 of 100 pieces. The histogram is printed and
//! held against it; criterion then takes the time of all answers together.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;
use llamero::prompt::parse::{Call, Generic, Parser, Sink, Tools, by_name, generic};
use serde_json::Value;

/// 99 of 100 pieces take no longer.
const GOAL: Duration = Duration::from_micros(5);
/// Passes over all answers: enough for a steady percentile.
const PASSES: usize = 5;

/// Looks at all that comes, so that the work cannot be dropped.
struct Reader;

impl Sink for Reader {
    fn content(&mut self, text: &str) {
        black_box(text);
    }

    fn thinking(&mut self, text: &str) {
        black_box(text);
    }

    fn call(&mut self, call: Call) {
        black_box(call);
    }
}

/// An answer and what it takes to make its parser.
struct Answer {
    row: Value,
    tools: Vec<Value>,
}

impl Answer {
    fn parser(&self) -> Parser {
        let tools = Tools::new(&self.tools);
        let text = |name: &str| self.row["want"][name].as_str().unwrap_or_default().to_owned();
        let Some(name) = self.row["parser"].as_str() else {
            let (tag, think_open, think_close) = (text("tag"), text("think_open"), text("think_close"));
            return generic(Generic { tag, think_open, think_close, ..Generic::default() }, &tools);
        };
        let last = self.row.get("last").map(|last| serde_json::from_value(last.clone()).expect("a message"));
        by_name(name, &tools, self.row["think"].as_bool(), last.as_ref()).expect("a known parser")
    }

    fn pieces(&self, length: usize) -> Vec<String> {
        let characters: Vec<char> = self.row["text"].as_str().unwrap_or_default().chars().collect();
        characters.chunks(length).map(|piece| piece.iter().collect()).collect()
    }
}

fn rows(file: &str) -> Vec<Value> {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens").into();
    let folder = env::var_os("GOLDENS_DIR").unwrap_or_else(default);
    let text = fs::read_to_string(Path::new(&folder).join(file)).expect("the goldens are there");
    text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

fn answers() -> Vec<Answer> {
    let sets: HashMap<String, Vec<Value>> = rows("sets.jsonl")
        .into_iter()
        .filter_map(|row| Some((row["set"].as_str()?.to_owned(), row["tools"].as_array()?.clone())))
        .collect();
    let rows = rows("parsers.jsonl").into_iter().chain(rows("generic.jsonl"));
    let tools = |row: &Value| row["tools"].as_str().map(|name| sets[name].clone()).unwrap_or_default();
    rows.map(|row| Answer { tools: tools(&row), row }).collect()
}

/// The processor's name, which stands beside every figure.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "an unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Times every piece.
fn histogram(answers: &[Answer], length: usize) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits");
    for _ in 0..PASSES {
        for answer in answers {
            let pieces = answer.pieces(length);
            let mut parser = answer.parser();
            for piece in &pieces {
                let start = Instant::now();
                parser.push(black_box(piece), &mut Reader);
                histogram.saturating_record(start.elapsed().as_nanos() as u64);
            }
            parser.finish(&mut Reader);
        }
    }
    histogram
}

fn parsers(criterion: &mut Criterion) {
    let answers = answers();
    let mut group = criterion.benchmark_group("parsers");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    for (name, length) in [("pieces of four", 4), ("characters", 1)] {
        let times = histogram(&answers, length);
        let micros = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "parsers, {name}: {} pieces; us for each: median {:.2}, p99 {:.2}, p99.9 {:.2}, most {:.2}; {}",
            times.len(),
            micros(0.5),
            micros(0.99),
            micros(0.999),
            times.max() as f64 / 1000.0,
            processor()
        );
        assert!(u128::from(times.value_at_quantile(0.99)) <= GOAL.as_nanos(), "the 99th percentile is over {GOAL:?}");
        let pieces: Vec<_> = answers.iter().map(|answer| answer.pieces(length)).collect();
        group.throughput(Throughput::Elements(pieces.iter().map(|pieces| pieces.len() as u64).sum()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (answer, pieces) in answers.iter().zip(&pieces) {
                    let mut parser = answer.parser();
                    for piece in pieces {
                        parser.push(piece, &mut Reader);
                    }
                    parser.finish(&mut Reader);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parsers);
criterion_main!(benches);
