//! Our sampler against llama.cpp's own chain: greedy the same token, drawn the same distribution.
#![cfg(feature = "llama")]

use llama_cpp_sys_2 as sys;
use llamero_kernels::sampling::{Params, Sampler};

/// Small enough for two million draws in seconds, large enough that every filter has something to cut.
const VOCABULARY: usize = 500;
const DRAWS: usize = 100_000;

/// A chain of llama.cpp's samplers, freed with its members.
struct Chain(*mut sys::llama_sampler);

impl Chain {
    /// The stages that llama.cpp's server runs, in its order, up to the temperature, and its draw as the last one.
    fn new(params: &Params, with_draw: bool) -> Self {
        // SAFETY: each `init` gives a new sampler that belongs to the chain from `chain_add` on; none of them keeps a
        // pointer of ours.
        unsafe {
            let chain = sys::llama_sampler_chain_init(sys::llama_sampler_chain_default_params());
            let add = |sampler| sys::llama_sampler_chain_add(chain, sampler);
            add(sys::llama_sampler_init_penalties(
                VOCABULARY as i32,
                params.repeat_last_n as i32,
                params.repeat_penalty,
                params.frequency_penalty,
                params.presence_penalty,
            ));
            add(sys::llama_sampler_init_top_k(params.top_k));
            add(sys::llama_sampler_init_typical(params.typical_p, 0));
            add(sys::llama_sampler_init_top_p(params.top_p, 0));
            add(sys::llama_sampler_init_min_p(params.min_p, 0));
            add(sys::llama_sampler_init_temp_ext(params.temperature, 0.0, 1.0));
            if with_draw {
                add(sys::llama_sampler_init_dist(params.seed));
            }
            Self(chain)
        }
    }

    fn accept(&mut self, token: i32) {
        // SAFETY: the chain lives as long as `self`.
        unsafe { sys::llama_sampler_accept(self.0, token) }
    }

    /// Runs the chain over `logits`: the tokens that are left with their logits, and the place of the selected one.
    fn apply(&mut self, logits: &[f32]) -> (Vec<(usize, f32)>, i64) {
        let record = |(id, &logit)| sys::llama_token_data { id, logit, p: 0.0 };
        let mut records: Vec<_> = (0..).zip(logits).map(record).collect();
        let mut array = sys::llama_token_data_array {
            data: records.as_mut_ptr(),
            size: records.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: the chain lives as long as `self`; `array` describes `records`, which outlives the call. The chain
        // reorders and shortens it in place, but never lengthens it.
        unsafe { sys::llama_sampler_apply(self.0, &raw mut array) };
        records.truncate(array.size);
        (records.iter().map(|record| (record.id as usize, record.logit)).collect(), array.selected)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: made by `llama_sampler_chain_init`, freed once.
        unsafe { sys::llama_sampler_free(self.0) }
    }
}

/// A generator for the test's inputs (xorshift), unrelated to the sampler's.
struct Inputs(u64);

impl Inputs {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u32 << 24) as f32
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f32) as usize).min(end - 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Logits shaped like a model's: a bell, with a few tokens that stand out.
    fn row(&mut self) -> Vec<f32> {
        let mut row: Vec<f32> =
            (0..VOCABULARY).map(|_| (0..6).map(|_| self.uniform() - 0.5).sum::<f32>() * 2.0).collect();
        for _ in 0..12 {
            let token = self.below(VOCABULARY);
            row[token] += 4.0 * self.uniform();
        }
        row
    }

    /// Tokens said before: likely ones, so that penalties matter, and any others, so that negative logits are among
    /// them; few in all, so that many stand there several times.
    fn history(&mut self, row: &[f32], length: usize) -> Vec<i32> {
        let mut by_logit: Vec<i32> = (0..row.len() as i32).collect();
        by_logit.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        let choices: Vec<i32> = (0..30).map(|at| by_logit[self.below(if at < 20 { 60 } else { row.len() })]).collect();
        (0..length).map(|_| self.pick(&choices)).collect()
    }
}

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
    seed: 0,
};

/// No filter, no penalty.
const OPEN: Params = Params { top_k: 0, top_p: 1.0, temperature: 1.0, ..DEFAULTS };

const SETTINGS: [Params; 20] = [
    DEFAULTS,
    OPEN,
    Params { temperature: 0.3, ..OPEN },
    Params { temperature: 2.0, ..OPEN },
    Params { top_k: 1, ..OPEN },
    Params { top_k: 7, ..OPEN },
    Params { top_k: 200, ..OPEN },
    Params { top_p: 0.5, ..OPEN },
    Params { top_p: 0.95, ..OPEN },
    Params { min_p: 0.05, ..OPEN },
    Params { min_p: 0.08, temperature: 1.5, ..OPEN },
    Params { typical_p: 0.6, ..OPEN },
    Params { typical_p: 0.2, top_k: 40, ..OPEN },
    Params { repeat_penalty: 2.0, temperature: 1.5, ..OPEN },
    Params { presence_penalty: 1.5, ..OPEN },
    Params { frequency_penalty: 0.4, repeat_last_n: 20, ..OPEN },
    Params { repeat_penalty: 1.1, ..DEFAULTS },
    Params { repeat_penalty: 0.8, presence_penalty: -0.5, min_p: 0.1, ..DEFAULTS },
    Params { typical_p: 0.9, min_p: 0.02, temperature: 1.2, ..DEFAULTS },
    Params {
        typical_p: 0.95,
        min_p: 0.01,
        top_k: 100,
        top_p: 0.98,
        repeat_penalty: 1.2,
        presence_penalty: 0.3,
        frequency_penalty: 0.2,
        ..DEFAULTS
    },
];

/// What llama.cpp's chain gives each token, in double precision.
fn exact_distribution(chain: &mut Chain, row: &[f32]) -> Vec<f64> {
    let (left, _) = chain.apply(row);
    let max = left.iter().map(|&(_, logit)| f64::from(logit)).fold(f64::NEG_INFINITY, f64::max);
    let weight = |logit: f32| (f64::from(logit) - max).exp();
    let sum: f64 = left.iter().map(|&(_, logit)| weight(logit)).sum();
    let mut distribution = vec![0.0; row.len()];
    for (token, logit) in left {
        distribution[token] = weight(logit) / sum;
    }
    distribution
}

/// Probability of a deviation from `expected` at least as large, by Pearson's test. Cells that expect fewer than five
/// are pooled; a count where nothing can be has probability 0.
fn chi_square_p(observed: &[u64], expected: &[f64]) -> f64 {
    let mut cells = Vec::new();
    let mut pool = (0.0, 0.0);
    for (&observed, &expected) in observed.iter().zip(expected) {
        if expected == 0.0 && observed > 0 {
            return 0.0;
        }
        if expected >= 5.0 {
            cells.push((observed as f64, expected));
        } else {
            pool = (pool.0 + observed as f64, pool.1 + expected);
        }
    }
    // A pool that is still too small goes into the last proper cell.
    match cells.last_mut() {
        Some(last) if pool.1 < 5.0 => *last = (last.0 + pool.0, last.1 + pool.1),
        _ => cells.push(pool),
    }
    let statistic: f64 = cells.iter().map(|(observed, expected)| (observed - expected).powi(2) / expected).sum();
    if cells.len() == 1 { 1.0 } else { upper_gamma((cells.len() - 1) as f64 / 2.0, statistic / 2.0) }
}

/// The regularised upper incomplete gamma function Q(a, x), where `a` is a positive multiple of one half.
///
/// By the recurrence Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1) from Q(1, x) = e^-x or Q(1/2, x) = erfc(sqrt x).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let whole = a.fract() == 0.0;
    let mut step = if whole { 1.0 } else { 0.5 };
    let mut sum = if whole { (-x).exp() } else { erfc(x.sqrt()) };
    // ln Gamma(step + 1), carried along; Gamma(2) = 1 and Gamma(3/2) = sqrt(pi) / 2.
    let mut ln_gamma = if whole { 0.0 } else { (std::f64::consts::PI.sqrt() / 2.0).ln() };
    while step < a {
        sum += (step * x.ln() - x - ln_gamma).exp();
        step += 1.0;
        ln_gamma += step.ln();
    }
    sum.min(1.0)
}

/// The complementary error function: the integral of 2/sqrt(pi) e^-t^2 from `x`, by Simpson's rule; e^-t^2 is nothing
/// eight further on.
fn erfc(x: f64) -> f64 {
    const STEPS: u32 = 4000;
    let width = 8.0 / f64::from(STEPS);
    let term = |step: u32| {
        let t = x + width * f64::from(step);
        let times = if step == 0 || step == STEPS { 1.0 } else { 2.0 + 2.0 * f64::from(step % 2) };
        times * (-t * t).exp()
    };
    (0..=STEPS).map(term).sum::<f64>() * width / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn the_test_of_the_test_knows_tabled_values() {
    // Upper 5 % and 0.1 % points of chi-square, from printed tables.
    let table =
        [(1.0, 3.841, 0.05), (2.0, 5.991, 0.05), (9.0, 16.919, 0.05), (10.0, 29.588, 0.001), (99.0, 148.23, 0.001)];
    for (freedom, point, p) in table {
        let found = upper_gamma(freedom / 2.0, point / 2.0);
        assert!((found / p - 1.0).abs() < 2e-3, "{freedom} degrees of freedom: {found}, not {p}");
    }
    assert!(chi_square_p(&[50, 50], &[60.0, 40.0]) < 0.05);
    assert!(chi_square_p(&[99, 1], &[100.0, 0.0]) < 1e-9);
}

#[test]
fn draws_follow_the_distribution_of_llama_cpp() {
    let mut inputs = Inputs(0x5eed);
    for (at, settings) in SETTINGS.iter().enumerate() {
        let params = Params { seed: 1000 + at as u32, ..*settings };
        let mut row = inputs.row();
        let mut chain = Chain::new(&params, false);
        let mut sampler = Sampler::new(params);
        for token in inputs.history(&row, 90) {
            chain.accept(token);
            sampler.accept(token);
        }
        let expected: Vec<f64> = exact_distribution(&mut chain, &row).iter().map(|p| p * DRAWS as f64).collect();
        let mut observed = vec![0u64; row.len()];
        for _ in 0..DRAWS {
            observed[sampler.sample(&mut row) as usize] += 1;
        }
        let p = chi_square_p(&observed, &expected);
        let left = expected.iter().filter(|&&expected| expected > 0.0).count();
        println!("setting {at}: {left} tokens left, p = {p:.4}");
        assert!(p > 0.001, "p = {p} for {params:?}");
    }
}

#[test]
fn greedy_is_the_token_that_llama_cpp_takes() {
    let mut inputs = Inputs(0x9eed);
    let mut changed = 0;
    for round in 0..5000 {
        let params = Params {
            temperature: 0.0,
            top_k: inputs.pick(&[0, 1, 40, 300]),
            top_p: inputs.pick(&[1.0, 0.9, 0.1]),
            min_p: inputs.pick(&[0.0, 0.05]),
            typical_p: inputs.pick(&[1.0, 1.0, 0.9, 0.3]),
            repeat_last_n: inputs.pick(&[0, 1, 20, 64, 4096]),
            repeat_penalty: inputs.pick(&[1.0, 1.1, 1.5, 0.7]),
            presence_penalty: inputs.pick(&[0.0, 0.5, 2.0, -1.0]),
            frequency_penalty: inputs.pick(&[0.0, 0.3, 1.0, -0.2]),
            seed: round,
        };
        let mut row = inputs.row();
        let mut chain = Chain::new(&params, true);
        let mut sampler = Sampler::new(params);
        for token in inputs.history(&row, 90) {
            chain.accept(token);
            sampler.accept(token);
        }
        let (left, selected) = chain.apply(&row);
        let theirs = left[selected as usize].0 as i32;
        let plain = Sampler::new(Params { temperature: 0.0, ..OPEN }).sample(&mut row);
        assert_eq!(sampler.sample(&mut row), theirs, "round {round}: {params:?}");
        changed += u32::from(theirs != plain);
    }
    // Otherwise the rounds would say nothing of penalties.
    assert!(changed > 1000, "penalties changed the token in {changed} rounds only");
}

#[test]
fn of_equal_logits_the_first_is_taken_as_llama_cpp_does_on_an_unsorted_row() {
    let params = Params { temperature: 0.0, ..OPEN };
    for (first, second) in [(0, 499), (3, 4), (63, 64), (100, 400)] {
        let mut row = vec![-1.0; VOCABULARY];
        row[first] = 2.0;
        row[second] = 2.0;
        let (left, selected) = Chain::new(&params, true).apply(&row);
        assert_eq!(left[selected as usize].0, first);
        assert_eq!(Sampler::new(params).sample(&mut row), first as i32);
    }
}
