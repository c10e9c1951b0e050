//! The filters of llama.cpp's chain: which of a set of logits stay.
//!
//! Each fills `kept` with places in `logits`, in the order that the filter leaves them in; at least one stays if there
//! is a number among them. llama.cpp's `min_keep` is 0 here, as in its server.

use super::{
    select,
    weigh::{self, Softmax},
};

/// How many of the best are looked at first; mostly the cut lies among them. Each further try takes eight times as many.
const FIRST_TRY: usize = 128;

/// Keeps the `k` largest, largest first.
pub(super) fn top_k(logits: &[f32], k: usize, kept: &mut Vec<u64>) {
    select::best(logits, k, |logit| logit, kept);
}

/// Keeps the largest until their probabilities reach `p`, largest first.
pub(super) fn top_p(logits: &[f32], p: f32, kept: &mut Vec<u64>) {
    until_mass(logits, &Softmax::of(logits), |logit| logit, |mass| mass >= f64::from(p), kept);
}

/// Keeps the locally typical ones (Meister et al., 2022, arXiv 2202.00666): those whose surprise is nearest to the
/// entropy, until their probabilities exceed `p`, nearest first.
pub(super) fn typical(logits: &[f32], p: f32, kept: &mut Vec<u64>) {
    let softmax = Softmax::of(logits);
    // Surprise is ln(sum) + gap, and entropy is its mean: in their difference ln(sum) cancels.
    let surprise = |&logit: &f32| match softmax.weight(logit) {
        // Weight 0 contributes 0, however large the gap.
        0.0 => 0.0,
        weight => weight * f64::from(weigh::gap(logit, softmax.max)),
    };
    let mean = (logits.iter().map(surprise).sum::<f64>() / softmax.sum) as f32;
    let nearness = |logit| -(weigh::gap(logit, softmax.max) - mean).abs();
    until_mass(logits, &softmax, nearness, |mass| mass > f64::from(p), kept);
}

/// Keeps those at least `p` times as probable as the most probable one, in their order.
pub(super) fn min_p(logits: &[f32], p: f32, kept: &mut Vec<u64>) {
    kept.clear();
    let best = select::argmax(logits);
    let Some(bar) = logits.get(best).map(|max| max + p.ln()) else { return };
    kept.extend(logits.iter().zip(0u64..).filter(|&(&logit, _)| logit >= bar).map(|(_, place)| place));
    if kept.is_empty() {
        // `p` above 1: the most probable one stays all the same.
        kept.push(best as u64);
    }
}

/// Keeps the highest scores, highest first, until `enough` says so of their summed probabilities.
fn until_mass(
    logits: &[f32],
    softmax: &Softmax,
    score: impl Fn(f32) -> f32,
    enough: impl Fn(f64) -> bool,
    kept: &mut Vec<u64>,
) {
    let mut k = FIRST_TRY;
    loop {
        select::best(logits, k, &score, kept);
        let mut weight = 0.0;
        let end = kept.iter().position(|&packed| {
            weight += logits.get(select::place_of(packed)).map_or(0.0, |&logit| softmax.weight(logit));
            enough(weight / softmax.sum)
        });
        if let Some(end) = end {
            kept.truncate(end + 1);
            return;
        }
        if k >= logits.len() {
            return;
        }
        k = k.saturating_mul(8);
    }
}
