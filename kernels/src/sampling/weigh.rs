//! Softmax weights, and the draw from them.
//!
//! Everything is told from the gap between a logit and the largest one, which stays meaningful where llama.cpp's
//! formulas would give NaN: an infinite logit, a row masked with negative infinity, a NaN from a broken model.

use super::select;

/// Weights summed together: a draw finds its block first, then looks into that block only.
const BLOCK: usize = 1024;

/// How far `logit` lies below `max`, 0 or more; NaN for NaN.
pub(super) fn gap(logit: f32, max: f32) -> f32 {
    // At the maximum no difference is taken: infinity minus infinity is not a number.
    if logit >= max { 0.0 } else { max - logit }
}

/// Softmax weight of a logit that lies `gap` below the largest one: 1 there, 0 for NaN.
pub(super) fn weight(gap: f32) -> f32 {
    (-gap).exp().max(0.0)
}

/// Weights of a set of logits: what their probabilities are relative to.
pub(super) struct Softmax {
    /// The largest logit.
    pub max: f32,
    /// Sum of all weights; at least 1 if there is a number among the logits.
    pub sum: f64,
}

impl Softmax {
    /// Of all `logits`.
    pub(super) fn of(logits: &[f32]) -> Self {
        let max = select::max(logits);
        let sum = logits.iter().map(|&logit| f64::from(weight(gap(logit, max)))).sum();
        Self { max, sum }
    }

    /// Weight of `logit`, which is one of them.
    pub(super) fn weight(&self, logit: f32) -> f64 {
        f64::from(weight(gap(logit, self.max)))
    }
}

/// Draws a place from the softmax of `logits / temperature`. `uniform` is in 0..1; `sums` is scratch.
///
/// 0 if there is no number among them.
pub(super) fn draw(logits: &[f32], temperature: f32, uniform: f64, sums: &mut Vec<f64>) -> usize {
    let max = select::max(logits);
    // Rounding may carry the target past the end: then the last place looked at that has any weight is taken.
    let mut drawn = select::argmax(logits);
    // A quotient that is not a number (0/0, inf/inf) weighs nothing.
    let weigh = |&logit: &f32| {
        let gap = gap(logit, max);
        if gap == 0.0 { 1.0 } else { f64::from(weight(gap / temperature)) }
    };
    sums.clear();
    sums.extend(logits.chunks(BLOCK).map(|block| block.iter().map(weigh).sum::<f64>()));

    let mut left = uniform * sums.iter().sum::<f64>();
    for ((block, &sum), start) in logits.chunks(BLOCK).zip(&*sums).zip((0..).step_by(BLOCK)) {
        let last = start + BLOCK >= logits.len();
        if left >= sum && !last {
            left -= sum;
            continue;
        }
        for (logit, place) in block.iter().zip(start..) {
            let weight = weigh(logit);
            if weight > 0.0 {
                drawn = place;
            }
            left -= weight;
            if left < 0.0 {
                return drawn;
            }
        }
    }
    drawn
}

/// A small random generator (`SplitMix64`: Steele, Lea and Flood, 2014), one per sequence.
///
/// Its state is a counter, so neighbouring seeds are as unrelated as distant ones.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u32) -> Self {
        Self { state: u64::from(seed) }
    }

    /// The next number in 0..1, of 53 random bits.
    pub(super) fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
