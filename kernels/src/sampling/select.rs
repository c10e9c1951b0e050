//! The best few of many values, without a record per value.
//!
//! A kept value is one `u64`: how good it is in the upper half, where it stands in the lower. Sorted as integers, the
//! best comes first and equals keep the order of their places, so that the result does not depend on the sort.

/// Values looked at together; one comparison per value tells whether any of them can matter.
const BLOCK: usize = 64;
/// Room beyond `k`, so that a small `k` does not prune at every hit.
const SLACK: usize = 64;

/// Place of the largest value; the first of equals. NaN is smaller than all. 0 if nothing is above negative infinity.
pub(super) fn argmax(values: &[f32]) -> usize {
    let mut best = f32::NEG_INFINITY;
    let mut place = 0;
    for (block, start) in values.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        if !any_above(block, best, |value| value) {
            continue;
        }
        for (&value, at) in block.iter().zip(start..) {
            if value > best {
                (best, place) = (value, at);
            }
        }
    }
    place
}

/// Largest value; NaN does not count. Negative infinity if there is none.
pub(super) fn max(values: &[f32]) -> f32 {
    values.get(argmax(values)).copied().filter(|value| !value.is_nan()).unwrap_or(f32::NEG_INFINITY)
}

/// Fills `kept` with the `k` values that score highest, best first, the first of equals before the second.
///
/// Values whose score is NaN are never kept, so fewer may come out. Reads the values once; `kept` holds at most
/// `2 * k + 64` entries on the way.
pub(super) fn best(values: &[f32], k: usize, score: impl Fn(f32) -> f32, kept: &mut Vec<u64>) {
    kept.clear();
    let k = k.min(values.len());
    if k == 0 {
        return;
    }
    let room = values.len().min(k.saturating_mul(2).saturating_add(SLACK));
    kept.reserve(room);
    // Until `k` are known every number counts; from then on only what beats the worst of them. An equal that comes
    // later loses, so the comparison is strict.
    let mut bar = None;
    for (block, start) in values.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        if bar.is_some_and(|bar| !any_above(block, bar, &score)) {
            continue;
        }
        for (&value, place) in block.iter().zip(start..) {
            let score = score(value);
            if score.is_nan() || bar.is_some_and(|bar| score <= bar) {
                continue;
            }
            kept.push(pack(score, place));
            if kept.len() == room && room > k {
                kept.select_nth_unstable(k - 1);
                kept.truncate(k);
                bar = kept.last().map(|&worst| score_of(worst));
            }
        }
    }
    kept.sort_unstable();
    kept.truncate(k);
}

/// Whether any score in the block is above `bar`. No early exit: the loop becomes a few vector compares.
fn any_above(block: &[f32], bar: f32, score: impl Fn(f32) -> f32) -> bool {
    block.iter().fold(false, |any, &value| any | (score(value) > bar))
}

/// Score and place in one number that sorts best first.
fn pack(score: f32, place: usize) -> u64 {
    // Adding zero makes -0.0 and 0.0 the same. Then the bits of positive floats sort as integers, those of negative
    // ones the other way round, below them; the whole is inverted because the highest comes first.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!ascending) << 32 | place as u64
}

/// The score in a packed number.
fn score_of(packed: u64) -> f32 {
    let ascending = !((packed >> 32) as u32);
    f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending })
}

/// The place in a packed number.
pub(super) fn place_of(packed: u64) -> usize {
    packed as u32 as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any float, and often one of a few, so that there are equals.
    fn values(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
        let some = prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 2.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        prop::collection::vec(prop_oneof![some, any::<f32>(), -20f32..20.0], length)
    }

    /// Sorts everything.
    fn naive(values: &[f32], k: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..values.len()).filter(|&at| !values[at].is_nan()).collect();
        places.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
        places.truncate(k);
        places
    }

    proptest! {
        #[test]
        fn best_equals_a_full_sort(values in values(0..700), k in 0usize..300) {
            let mut kept = Vec::new();
            best(&values, k, |value| value, &mut kept);
            let places: Vec<usize> = kept.iter().map(|&packed| place_of(packed)).collect();
            prop_assert_eq!(places, naive(&values, k));
        }

        #[test]
        fn argmax_is_the_first_of_the_best(values in values(0..300)) {
            let above = |&at: &usize| values[at] > f32::NEG_INFINITY;
            prop_assert_eq!(argmax(&values), naive(&values, 1).first().copied().filter(above).unwrap_or(0));
        }

        #[test]
        #[expect(clippy::float_cmp, reason = "exactly the same number is meant")]
        fn packing_loses_nothing(score in any::<f32>().prop_filter("a number", |score| !score.is_nan()), place in any::<u32>()) {
            let packed = pack(score, place as usize);
            prop_assert_eq!(score_of(packed), score);
            prop_assert_eq!(place_of(packed), place as usize);
        }
    }
}
