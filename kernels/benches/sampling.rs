//! Time to choose one token, by size of the vocabulary and by setting.
//!
//! Goal: what the inference thread pays per sequence and step. Not the goal: comparing processors. The row is a bell
//! with a few tokens that stand out, as models make them; it stays in the cache from one call to the next.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use llamero_kernels::sampling::{Params, Sampler, logprobs};

/// Ollama's defaults.
const DEFAULTS: Params = Params {
    temperature: 0.8,
    top_k: 40,
    top_p: 0.9,
    min_p: 0.0,
    typical_p: 1.0,
    repeat_last_n: 64,
    repeat_penalty: 1.0,
    presence_penalty: 0.0,
    frequency_penalty: 0.0,
    seed: 1,
};

const SETTINGS: [(&str, Params); 4] = [
    ("greedy", Params { temperature: 0.0, ..DEFAULTS }),
    ("defaults", DEFAULTS),
    ("defaults, repeat_penalty 1.1", Params { repeat_penalty: 1.1, ..DEFAULTS }),
    ("top_p only", Params { top_k: 0, ..DEFAULTS }),
];

fn row(vocabulary: usize) -> Vec<f32> {
    let mut state = 0x5eed_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    let mut row: Vec<f32> = (0..vocabulary).map(|_| (0..6).map(|_| uniform() - 0.5).sum::<f32>() * 3.0).collect();
    for _ in 0..30 {
        let token = (uniform() * vocabulary as f32) as usize % vocabulary;
        row[token] += 12.0 * uniform();
    }
    row
}

fn sampling(criterion: &mut Criterion) {
    for vocabulary in [50_000, 150_000] {
        let mut row = row(vocabulary);
        let mut group = criterion.benchmark_group(format!("vocabulary of {vocabulary}"));
        for (name, params) in SETTINGS {
            let mut sampler = Sampler::new(params);
            (0..64).for_each(|step| sampler.accept(step * 97 % 50_000));
            group.bench_function(name, |bencher| {
                bencher.iter(|| sampler.sample(black_box(&mut row)));
            });
        }
        // Between two values of a JSON text hardly anything may come, inside a string hardly anything may not.
        let nearly_empty: Vec<u32> = (0..vocabulary / 32).map(|word| u32::from(word % 64 == 0)).collect();
        let nearly_full: Vec<u32> = nearly_empty.iter().map(|word| !word).collect();
        for (name, mask) in [("defaults, few may come", nearly_empty), ("defaults, most may come", nearly_full)] {
            let mut sampler = Sampler::new(DEFAULTS);
            group.bench_function(name, |bencher| {
                bencher.iter(|| sampler.sample_among(black_box(&mut row), &mask));
            });
        }
        let mut top = Vec::new();
        group.bench_function("logprobs of 5", |bencher| {
            bencher.iter(|| logprobs(black_box(&row), 0, 5, &mut top));
        });
    }
}

criterion_group!(benches, sampling);
criterion_main!(benches);
