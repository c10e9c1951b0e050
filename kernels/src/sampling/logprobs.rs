//! Log probabilities for clients that ask how sure the model was.

use super::weigh::{Softmax, gap};

/// Lists the `top_n` most probable tokens in `out`, most probable first, each with the natural logarithm of its
/// probability; gives that of `chosen`.
///
/// `logits` is the model's row, before any penalty or filter, and the probabilities are of the whole vocabulary at
/// temperature 1: what llama-server reports unless asked for `post_sampling_probs`. Of equals the lower token comes
/// first. A probability of 0, and a token outside the vocabulary, has the lowest finite number, since JSON has no
/// infinity. `out` is cleared first; `top_n` is meant to be small (the cost of a hit grows with it).
pub fn logprobs(logits: &[f32], chosen: i32, top_n: usize, out: &mut Vec<(i32, f32)>) -> f32 {
    let softmax = Softmax::of(logits);
    let log_sum = softmax.sum.ln();
    let logprob = |logit: f32| {
        let exact = -f64::from(gap(logit, softmax.max)) - log_sum;
        // `max` also turns NaN into the lowest number.
        (exact as f32).max(f32::MIN)
    };

    out.clear();
    // While the list is short it takes anything; the logits stay in it until it is complete.
    let mut bar = None;
    for (&logit, token) in logits.iter().zip(0..) {
        if top_n == 0 || logit.is_nan() || bar.is_some_and(|bar| logit <= bar) {
            continue;
        }
        out.truncate(top_n - 1);
        out.insert(out.partition_point(|&(_, better)| better >= logit), (token, logit));
        if out.len() == top_n {
            bar = out.last().map(|&(_, worst)| worst);
        }
    }
    for (_, value) in &mut *out {
        *value = logprob(*value);
    }
    usize::try_from(chosen).ok().and_then(|place| logits.get(place)).map_or(f32::MIN, |&logit| logprob(logit))
}
