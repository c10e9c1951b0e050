//! Tests of the sampler against the chain done the plain way: a record per token, every stage a full sort.

use proptest::prelude::*;

use super::weigh::Ticket;
use super::*;

/// A token with its logit and, after [`softmax`], its probability.
#[derive(Clone, Copy)]
struct Record {
    token: usize,
    logit: f32,
    p: f64,
}

/// Sets the probabilities; gives the largest logit and the logarithm of the sum.
///
/// Differences and exponentials are in single precision as in the fast version, so that no cut falls between the two.
fn softmax(records: &mut [Record], temperature: f32) -> (f32, f64) {
    let max = records.iter().map(|r| r.logit).fold(f32::NEG_INFINITY, f32::max);
    for r in &mut *records {
        r.p = f64::from((-((max - r.logit) / temperature)).exp());
    }
    let sum: f64 = records.iter().map(|r| r.p).sum();
    for r in records {
        r.p /= sum;
    }
    (max, sum.ln())
}

/// Cuts after the first record at which the summed probabilities are `enough`.
fn cut(records: &mut Vec<Record>, enough: impl Fn(f64) -> bool) {
    let mut mass = 0.0;
    let end = records.iter().position(|r| {
        mass += r.p;
        enough(mass)
    });
    records.truncate(end.map_or(records.len(), |end| end + 1));
}

/// What the filters leave of finite logits, in their order.
fn naive_filters(row: &[f32], params: &Params) -> Vec<Record> {
    let record = |(token, &logit)| Record { token, logit, p: 0.0 };
    let mut left: Vec<Record> = row.iter().enumerate().map(record).collect();
    let best_first = |a: &Record, b: &Record| b.logit.total_cmp(&a.logit);
    if params.top_k > 0 {
        left.sort_by(best_first);
        left.truncate(params.top_k as usize);
    }
    if params.typical_p < 1.0 {
        let (max, log_sum) = softmax(&mut left, 1.0);
        let entropy: f64 = left.iter().filter(|r| r.p > 0.0).map(|r| -r.p * r.p.ln()).sum();
        let distance = |r: &Record| ((max - r.logit) - (entropy - log_sum) as f32).abs();
        left.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        cut(&mut left, |mass| mass > f64::from(params.typical_p));
    }
    if params.top_p < 1.0 {
        softmax(&mut left, 1.0);
        left.sort_by(best_first);
        cut(&mut left, |mass| mass >= f64::from(params.top_p));
    }
    if params.min_p > 0.0 {
        let best = left.iter().rev().copied().max_by(|a, b| a.logit.total_cmp(&b.logit)).unwrap();
        let bar = best.logit + params.min_p.ln();
        left.retain(|r| r.logit >= bar || r.token == best.token);
    }
    left
}

fn naive_penalties(row: &mut [f32], history: &[i32], params: &Params) {
    let start = history.len().saturating_sub(params.repeat_last_n as usize);
    let window = &history[start..];
    for (token, logit) in (0..).zip(row) {
        let count = window.iter().filter(|&&seen| seen == token).count();
        if count > 0 {
            *logit = if *logit <= 0.0 { *logit * params.repeat_penalty } else { *logit / params.repeat_penalty };
            *logit -= count as f32 * params.frequency_penalty + params.presence_penalty;
        }
    }
}

/// The token with the largest sum of its scaled logit and its noise.
fn naive_draw(left: &[Record], temperature: f32, ticket: Ticket) -> usize {
    let max = left.iter().map(|r| r.logit).fold(f32::NEG_INFINITY, f32::max);
    let sum = |r: &Record| ticket.chance(r.token as i32).noise() - f64::from((max - r.logit) / temperature);
    left.iter().rev().max_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap().token
}

/// A setting that leaves every filter and penalty off.
pub(super) const OFF: Params = Params {
    temperature: 1.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    typical_p: 1.0,
    repeat_last_n: 0,
    repeat_penalty: 1.0,
    presence_penalty: 0.0,
    frequency_penalty: 0.0,
    seed: 0,
};

prop_compose! {
    fn params()(
        temperature in prop_oneof![Just(0.0), Just(1.0), 0.05f32..3.0],
        top_k in prop_oneof![Just(0), 1..50, 1..5000],
        top_p in prop_oneof![Just(1.0), 0.0f32..1.0, 0.9f32..1.0],
        min_p in prop_oneof![Just(0.0), 0.0f32..0.3, 0.0f32..1.5],
        typical_p in prop_oneof![Just(1.0), 0.0f32..1.0],
        repeat_last_n in prop_oneof![Just(0), 1u32..40],
        repeat_penalty in prop_oneof![Just(1.0), 0.5f32..2.0],
        presence_penalty in prop_oneof![Just(0.0), -2.0f32..2.0],
        frequency_penalty in prop_oneof![Just(0.0), -2.0f32..2.0],
        seed in any::<u32>(),
    ) -> Params {
        Params { temperature, top_k, top_p, min_p, typical_p, repeat_last_n, repeat_penalty, presence_penalty, frequency_penalty, seed }
    }
}

/// Rows as models make them, flat or steep, of a length drawn first so that every stage's tries are reached.
fn row() -> impl Strategy<Value = Vec<f32>> {
    let length = prop_oneof![1usize..60, 60usize..3000];
    (length, 0.1f32..8.0).prop_flat_map(|(length, spread)| prop::collection::vec(-spread..spread, length))
}

/// Rows of a few values, so that nearly everything has an equal.
fn row_of_equals() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop::sample::select(vec![0.0f32, 1.0, 2.0, -3.0]), 1..600)
}

fn history() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(prop_oneof![0..40i32, 0..3000], 0..80)
}

fn sampler(params: Params, history: &[i32]) -> Sampler {
    let mut sampler = Sampler::new(params);
    for &token in history {
        sampler.accept(token);
    }
    sampler
}

fn survivors(row: &[f32], params: &Params) -> Vec<i32> {
    let mut candidates = Candidates::default();
    candidates.all();
    candidates.narrow(row, params);
    (0..candidates.logits(row).len()).map(|place| candidates.token(place)).collect()
}

/// One filter on, the others off.
fn alone(params: &Params) -> [Params; 4] {
    [
        Params { top_k: params.top_k, ..OFF },
        Params { typical_p: params.typical_p, ..OFF },
        Params { top_p: params.top_p, ..OFF },
        Params { min_p: params.min_p, ..OFF },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn filters_keep_what_the_naive_ones_keep(row in row(), params in params()) {
        for params in alone(&params).into_iter().chain([params]) {
            let naive: Vec<i32> = naive_filters(&row, &params).iter().map(|r| r.token as i32).collect();
            prop_assert_eq!(survivors(&row, &params), naive, "{:?}", params);
        }
    }

    #[test]
    fn among_equals_the_lower_token_comes_first(row in row_of_equals(), params in params()) {
        // Typical sampling can put two unequal logits at one distance, where rounding decides.
        let params = Params { typical_p: 1.0, ..params };
        let naive: Vec<i32> = naive_filters(&row, &params).iter().map(|r| r.token as i32).collect();
        prop_assert_eq!(survivors(&row, &params), naive);
    }

    #[test]
    fn the_whole_chain_draws_what_the_naive_one_draws(row in row(), history in history(), params in params()) {
        let mut fast = sampler(params, &history);
        let mut random = Random::new(params.seed);
        let mut penalised = row.clone();
        naive_penalties(&mut penalised, &history, &params);
        let left = naive_filters(&penalised, &params);
        for _ in 0..8 {
            let naive = if params.temperature <= 0.0 {
                left.iter().rev().max_by(|a, b| a.logit.total_cmp(&b.logit)).unwrap().token
            } else {
                naive_draw(&left, params.temperature, random.ticket())
            };
            prop_assert_eq!(fast.sample(&mut row.clone()), naive as i32);
        }
    }

    #[test]
    fn a_mask_is_a_row_without_the_others(row in row(), history in history(), params in params(), seed in any::<u64>()) {
        let mut mask: Vec<u32> = (0..row.len().div_ceil(32)).map(|at| (seed >> (at % 40)) as u32).collect();
        mask[0] |= 1;
        let mut fast = sampler(params, &history);
        let mut random = Random::new(params.seed);
        let mut masked = row.clone();
        naive_penalties(&mut masked, &history, &params);
        let is_in = |token: usize| mask[token / 32] >> (token % 32) & 1 == 1;
        let renamed: Vec<usize> = (0..row.len()).filter(|&token| is_in(token)).collect();
        let part: Vec<f32> = renamed.iter().map(|&token| masked[token]).collect();
        let mut left = naive_filters(&part, &params);
        for record in &mut left {
            record.token = renamed[record.token];
        }
        for _ in 0..4 {
            let naive = if params.temperature <= 0.0 {
                left.iter().rev().max_by(|a, b| a.logit.total_cmp(&b.logit)).unwrap().token
            } else {
                naive_draw(&left, params.temperature, random.ticket())
            };
            let mut used = row.clone();
            prop_assert_eq!(fast.sample_among(&mut used, &mask), Some(naive as i32));
            prop_assert_eq!(&used, &row);
        }
        prop_assert_eq!(fast.sample_among(&mut row.clone(), &vec![0; mask.len()]), None);
        let whole = vec![u32::MAX; mask.len()];
        let mut other = fast.clone();
        prop_assert_eq!(fast.sample_among(&mut row.clone(), &whole), Some(other.sample(&mut row.clone())));
    }

    #[test]
    fn sequences_do_not_depend_on_their_place_in_the_batch(
        rows in prop::collection::vec(prop::collection::vec(-5f32..5.0, 50), 2..8),
        history in history(),
        params in params(),
        turn in 1usize..8,
    ) {
        let run = |order: &mut dyn Iterator<Item = usize>| {
            let mut samplers: Vec<Sampler> = (0..rows.len())
                .map(|at| sampler(Params { seed: params.seed ^ at as u32, ..params }, &history))
                .collect();
            let mut tokens = vec![Vec::new(); rows.len()];
            for at in order {
                let token = samplers[at].sample(&mut rows[at].clone());
                samplers[at].accept(token);
                tokens[at].push(token);
            }
            tokens
        };
        let count = rows.len();
        let in_order = run(&mut (0..count * 5).map(|step| step % count));
        let turned = run(&mut (0..count * 5).map(|step| count - 1 - (step + turn) % count));
        let alone = run(&mut (0..count * 5).map(|step| step / 5));
        prop_assert_eq!(&in_order, &turned);
        prop_assert_eq!(&in_order, &alone);
    }

    #[test]
    fn the_row_is_left_as_it_was(row in row(), history in history(), params in params()) {
        let mut used = row.clone();
        sampler(params, &history).sample(&mut used);
        prop_assert_eq!(used, row);
    }

    #[test]
    fn anything_gives_a_token_of_the_vocabulary(
        row in prop::collection::vec(any_number(), 1..300),
        history in prop::collection::vec(any::<i32>(), 0..20),
        numbers in prop::array::uniform7(any_number()),
        top_k in any::<i32>(),
    ) {
        let [temperature, top_p, min_p, typical_p, repeat_penalty, presence_penalty, frequency_penalty] = numbers;
        let params = Params {
            temperature, top_k, top_p, min_p, typical_p, repeat_last_n: 10, repeat_penalty, presence_penalty,
            frequency_penalty, seed: 1,
        };
        for params in alone(&params).into_iter().chain([params, Params { temperature, ..OFF }]) {
            let token = sampler(params, &history).sample(&mut row.clone());
            prop_assert!((0..row.len() as i32).contains(&token), "{} of {:?}", token, params);
            let mut top = Vec::new();
            prop_assert!(logprobs(&row, token, 5, &mut top).is_finite());
            prop_assert!(top.iter().all(|&(at, logprob)| (0..row.len() as i32).contains(&at) && logprob.is_finite()));
        }
    }

    #[test]
    fn what_is_no_number_is_never_chosen(mut row in row(), holes in prop::collection::vec(any::<u16>(), 0..40), params in params()) {
        for (hole, value) in holes.iter().zip([f32::NAN, f32::NEG_INFINITY].into_iter().cycle()) {
            let place = *hole as usize % row.len();
            row[place] = value;
        }
        row.push(0.0);
        let token = Sampler::new(params).sample(&mut row);
        prop_assert!(row[token as usize].is_finite());
    }

    #[test]
    fn logprobs_equal_a_softmax(row in row(), chosen in any::<prop::sample::Index>(), top_n in 0usize..20) {
        let mut records = naive_filters(&row, &OFF);
        softmax(&mut records, 1.0);
        let chosen = chosen.index(row.len());
        let mut top = Vec::new();
        let logprob = logprobs(&row, chosen as i32, top_n, &mut top);
        prop_assert!((f64::from(logprob) - records[chosen].p.ln()).abs() < 1e-5);
        records.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        prop_assert_eq!(top.len(), top_n.min(row.len()));
        for (&(token, logprob), record) in top.iter().zip(&records) {
            prop_assert_eq!(token, record.token as i32);
            prop_assert!((f64::from(logprob) - record.p.ln()).abs() < 1e-5);
        }
    }
}

fn any_number() -> impl Strategy<Value = f32> {
    let odd =
        vec![0.0, -0.0, 1.0, -1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    prop_oneof![prop::sample::select(odd), any::<f32>(), -10f32..10.0]
}

#[test]
#[expect(clippy::float_cmp, reason = "exactly the lowest number is meant")]
fn an_empty_row_and_a_foreign_token_do_no_harm() {
    for params in alone(&Params { top_k: 3, top_p: 0.5, min_p: 0.1, typical_p: 0.5, ..OFF }) {
        assert_eq!(Sampler::new(params).sample(&mut []), 0);
    }
    for chosen in [-1, 2, i32::MAX] {
        assert_eq!(logprobs(&[0.0, 1.0], chosen, 0, &mut Vec::new()), f32::MIN);
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "exactly the lowest number is meant")]
fn infinite_logits_have_the_probabilities_of_the_limit() {
    let mut row = [0.0, f32::INFINITY, 3.0, f32::INFINITY];
    let mut sampler = Sampler::new(OFF);
    let drawn: Vec<i32> = (0..100).map(|_| sampler.sample(&mut row)).collect();
    assert!(drawn.contains(&1) && drawn.contains(&3) && !drawn.contains(&0) && !drawn.contains(&2));
    let mut top = Vec::new();
    assert_eq!(logprobs(&row, 0, 4, &mut top), f32::MIN);
    let half = -std::f32::consts::LN_2;
    assert_eq!(top, [(1, half), (3, half), (2, f32::MIN), (0, f32::MIN)]);
}

#[test]
fn different_seeds_draw_different_tokens() {
    let draws = |seed| {
        let mut sampler = Sampler::new(Params { seed, ..OFF });
        (0..20).map(|_| sampler.sample(&mut [0.0; 100])).collect::<Vec<_>>()
    };
    assert_eq!(draws(7), draws(7));
    assert_ne!(draws(7), draws(8));
    assert_ne!(draws(0), draws(u32::MAX));
}
