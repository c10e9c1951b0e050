//! The part of a row that a mask lets through.

/// Tokens that one word of a mask stands for.
const WORD: usize = u32::BITS as usize;

/// Appends the tokens of `mask` and their logits, in the order of the tokens. See [`super::Sampler::sample_among`] for
/// the form of a mask.
///
/// Masks are nearly empty (between two values of a JSON text) or nearly full (inside its strings), so whole words are
/// passed over or copied at once.
pub(super) fn pick(row: &[f32], mask: &[u32], tokens: &mut Vec<i32>, logits: &mut Vec<f32>) {
    for ((part, &word), start) in row.chunks(WORD).zip(mask).zip((0..).step_by(WORD)) {
        if word == u32::MAX {
            tokens.extend((start..).take(part.len()));
            logits.extend_from_slice(part);
            continue;
        }
        let mut left = word;
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            if let Some(&logit) = part.get(bit as usize) {
                tokens.push(start + bit as i32);
                logits.push(logit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_filter_by_bits(
            row in prop::collection::vec(-9f32..9.0, 0..300),
            mask in prop::collection::vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 0..12),
        ) {
            let (mut tokens, mut logits) = (Vec::new(), Vec::new());
            pick(&row, &mask, &mut tokens, &mut logits);
            let is_in = |at: usize| mask.get(at / 32).is_some_and(|word| word >> (at % 32) & 1 == 1);
            let naive: Vec<usize> = (0..row.len()).filter(|&at| is_in(at)).collect();
            prop_assert_eq!(tokens, naive.iter().map(|&at| at as i32).collect::<Vec<_>>());
            prop_assert_eq!(logits, naive.iter().map(|&at| row[at]).collect::<Vec<_>>());
        }
    }
}
