//! Softmax weights, and the draw from them.
//!
//! Everything is told from the gap between a logit and the largest one, which stays meaningful where llama.cpp's
//! formulas would give NaN: an infinite logit, a row masked with negative infinity, a NaN from a broken model.

use super::select;

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

/// Draws a place from the softmax of `logits / temperature`, `token` tells which token stands at a place.
///
/// The Gumbel-max trick: each token adds noise of its own to its logit, and the largest sum wins. The noise depends on
/// the token and `ticket` alone, so logits that moved a little (another batch, another order of sums) change the token
/// only where two sums nearly tie; walking along summed weights would carry the change of one weight to all behind it.
///
/// 0 if there is no number among them. Of equal sums the first wins.
pub(super) fn draw(logits: &[f32], temperature: f32, ticket: Ticket, token: impl Fn(usize) -> i32) -> usize {
    let max = select::max(logits);
    let mut drawn = select::argmax(logits);
    let mut best = f64::NEG_INFINITY;
    for (place, &logit) in logits.iter().enumerate() {
        let gap = gap(logit, max);
        // At the maximum no quotient is taken: infinity by infinity is not a number.
        let below = if gap == 0.0 { 0.0 } else { f64::from(gap / temperature) };
        let chance = ticket.chance(token(place));
        if below.is_nan() || best + below >= chance.noise_limit() {
            continue;
        }
        let sum = chance.noise() - below;
        if sum > best {
            (best, drawn) = (sum, place);
        }
    }
    drawn
}

/// The random number of one draw, from which every token's own is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// The random number of `token`.
    pub(super) fn chance(self, token: i32) -> Chance {
        Chance(mix(self.0.wrapping_add(u64::from(token as u32).wrapping_add(1).wrapping_mul(GOLDEN))))
    }
}

/// 64 random bits of one token in one draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(u64);

impl Chance {
    /// Noise with the Gumbel distribution, `-ln(-ln u)` for `u` in 0..1.
    pub(super) fn noise(self) -> f64 {
        // Half a step above zero, so that no logarithm is infinite. `u` is one minus this: where the noise is large, the
        // exact part of it is the distance to one.
        let rest = ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -(-(-rest).ln_1p()).ln()
    }

    /// What the noise is below, from the leading zeros alone: `-ln(1 - u)` is at least `1 - u`, so the noise is at most
    /// `-ln(1 - u)`. This spares nearly every token its two logarithms.
    fn noise_limit(self) -> f64 {
        f64::from((((self.0 >> 11) << 11) | (1 << 10)).leading_zeros() + 1) * std::f64::consts::LN_2
    }
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

    /// The next draw's.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.state = self.state.wrapping_add(GOLDEN);
        Ticket(mix(self.state))
    }
}

/// 2^64 by the golden ratio, odd: the steps of `SplitMix64`'s counter.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finishing steps of `SplitMix64`: every bit of the result depends on every bit of `bits`.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_above_the_noise() {
        let mut random = Random::new(7);
        let edges = [0, 1, 1 << 10, 1 << 11, 1 << 62, 1 << 63, u64::MAX].map(Chance);
        for chance in edges.into_iter().chain((0..100_000).map(|token| random.ticket().chance(token))) {
            assert!(chance.noise() <= chance.noise_limit(), "{chance:?}");
        }
    }

    #[test]
    fn logits_that_moved_a_little_seldom_change_the_token() {
        let row: Vec<f32> = (0..40).map(|at| 3.0 - at as f32 * 0.1).collect();
        let mut random = Random::new(1);
        let changed = (0..10_000).filter(|&turn| {
            let ticket = random.ticket();
            let moved: Vec<f32> = row
                .iter()
                .zip(0..)
                .map(|(logit, at)| logit + 0.02 * ((turn * 7 + at * 13) % 11 - 5) as f32 / 5.0)
                .collect();
            draw(&row, 0.8, ticket, |at| at as i32) != draw(&moved, 0.8, ticket, |at| at as i32)
        });
        let share = changed.count() as f64 / 10_000.0;
        assert!(share < 0.03, "{share} of the tokens changed");
    }
}
