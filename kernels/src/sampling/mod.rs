//! Chooses the next token from a row of logits: the meaning of llama.cpp's default sampler chain, read from the raw row.
//!
//! The order is llama.cpp's: penalties, `top_k`, `typical_p`, `top_p`, `min_p`, temperature, draw. llama.cpp first builds a
//! 12-byte record for every entry of the vocabulary and carries all of them from stage to stage. Here:
//!
//! 1. Penalties touch only the tokens in the window, in place, and are taken back before [`Sampler::sample`] returns.
//! 2. The first filter that is on reads the row and writes out the few candidates that it keeps; the others see only
//!    those. With no filter on, the draw reads the row.
//! 3. Greedy is the argmax, since only `typical_p` can drop the most probable token.
//!
//! A mask ([`Sampler::sample_among`]) comes after the penalties and before the filters, as llama.cpp applies a grammar:
//! the filters count only tokens that may come.
//!
//! What differs from llama.cpp, on purpose: of equal logits the lower token always comes first (llama.cpp's partial
//! sort leaves that open); sums are in double precision; NaN is never chosen; infinite logits have the probabilities of
//! the limit; and the random generator is our own, so the same seed draws other tokens than llama.cpp's.

mod filter;
mod history;
mod logprobs;
mod mask;
#[cfg(test)]
mod oracle;
mod select;
mod weigh;

use history::History;
pub use logprobs::logprobs;
use weigh::Random;

/// How tokens are chosen. Any value is taken: what makes no sense filters too much or nothing, but never panics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Logits are divided by it; 0 or less: the most probable token is taken.
    pub temperature: f32,
    /// Only so many of the most probable tokens; 0 or less: all.
    pub top_k: i32,
    /// Only the most probable tokens that reach this probability together; 1 or more: all.
    pub top_p: f32,
    /// Only tokens at least this share as probable as the most probable one; 0 or less: all.
    pub min_p: f32,
    /// Only the tokens nearest to the expected surprise that exceed this probability together; 1 or more: all.
    pub typical_p: f32,
    /// Tokens that the penalties look back on; 0: no penalties. The memory of a sampler grows with it.
    pub repeat_last_n: u32,
    /// Positive logits of tokens in the window are divided by it, others multiplied; 1: off.
    pub repeat_penalty: f32,
    /// Taken from the logits of tokens in the window; 0: off.
    pub presence_penalty: f32,
    /// Taken from the logits of tokens in the window once for each time they stand there; 0: off.
    pub frequency_penalty: f32,
    /// Start of the random generator; every value is a seed.
    pub seed: u32,
}

/// Chooses the tokens of one sequence.
///
/// The same parameters, tokens accepted and logits give the same tokens, whatever other sequences do. After the first
/// few tokens nothing is allocated any more.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: Params,
    history: History,
    random: Random,
    candidates: Candidates,
}

impl Sampler {
    /// A sampler that has seen no token yet.
    pub fn new(params: Params) -> Self {
        Self {
            history: History::new(&params),
            random: Random::new(params.seed),
            params,
            candidates: Candidates::default(),
        }
    }

    /// Takes a token, of the prompt or chosen, into the window of the penalties.
    pub fn accept(&mut self, token: i32) {
        self.history.accept(token);
    }

    /// Chooses the next token; the caller accepts it. Unless greedy, each call takes one random number, from which every token gets its own.
    ///
    /// `logits` has one entry for each token of the vocabulary, at least one and at most `i32::MAX`. It is changed and
    /// changed back: on return it holds what it held. If nothing in it is above negative infinity, the token that comes
    /// out means nothing, but lies in the vocabulary.
    pub fn sample(&mut self, logits: &mut [f32]) -> i32 {
        self.history.penalise(logits);
        self.candidates.all();
        let token = self.choose(logits);
        self.history.restore(logits);
        token
    }

    /// As [`Self::sample`], among the tokens of `mask` alone; `None` if there are none in it, and then no random number
    /// was taken. Bit `t % 32` of word `t / 32` stands for token `t`; tokens beyond the mask's end are not in it, bits
    /// beyond the row's end do not count.
    pub fn sample_among(&mut self, logits: &mut [f32], mask: &[u32]) -> Option<i32> {
        self.history.penalise(logits);
        let token = self.candidates.among(logits, mask).then(|| self.choose(logits));
        self.history.restore(logits);
        token
    }

    /// From the penalised row, or the part of it that is listed already.
    fn choose(&mut self, row: &[f32]) -> i32 {
        let greedy = self.params.temperature <= 0.0;
        if greedy && self.params.typical_p >= 1.0 {
            return self.candidates.token(select::argmax(self.candidates.logits(row)));
        }
        self.candidates.narrow(row, &self.params);
        let logits = self.candidates.logits(row);
        let place = if greedy {
            select::argmax(logits)
        } else {
            weigh::draw(logits, self.params.temperature, self.random.ticket(), |place| self.candidates.token(place))
        };
        self.candidates.token(place)
    }
}

/// The tokens that are left: the whole row, or a list.
#[derive(Debug, Clone, Default)]
struct Candidates {
    /// Whether a mask or a filter has run since the row came in.
    listed: bool,
    list: List,
    /// Where the next list is written; then the two change places.
    next: List,
    /// What the filter at work keeps.
    kept: Vec<u64>,
}

/// Tokens and their logits, side by side, so that a filter reads a list as it reads a row.
#[derive(Debug, Clone, Default)]
struct List {
    tokens: Vec<i32>,
    logits: Vec<f32>,
}

impl Candidates {
    /// Starts from the whole row.
    fn all(&mut self) {
        self.listed = false;
    }

    /// Starts from the tokens of a mask; false if the row has none of them.
    fn among(&mut self, row: &[f32], mask: &[u32]) -> bool {
        self.list.tokens.clear();
        self.list.logits.clear();
        mask::pick(row, mask, &mut self.list.tokens, &mut self.list.logits);
        self.listed = true;
        !self.list.tokens.is_empty()
    }

    /// Runs the filters that are on, in llama.cpp's order.
    fn narrow(&mut self, row: &[f32], params: &Params) {
        if params.top_k > 0 {
            self.keep(row, |logits, kept| filter::top_k(logits, params.top_k as usize, kept));
        }
        // Written so that NaN filters nothing.
        if params.typical_p < 1.0 {
            self.keep(row, |logits, kept| filter::typical(logits, params.typical_p, kept));
        }
        if params.top_p < 1.0 {
            self.keep(row, |logits, kept| filter::top_p(logits, params.top_p, kept));
        }
        if params.min_p > 0.0 {
            self.keep(row, |logits, kept| filter::min_p(logits, params.min_p, kept));
        }
    }

    /// Runs one filter over what is left.
    fn keep(&mut self, row: &[f32], filter: impl FnOnce(&[f32], &mut Vec<u64>)) {
        let mut kept = std::mem::take(&mut self.kept);
        filter(self.logits(row), &mut kept);

        let mut next = std::mem::take(&mut self.next);
        next.tokens.clear();
        next.logits.clear();
        for place in kept.iter().map(|&packed| select::place_of(packed)) {
            if let Some(&logit) = self.logits(row).get(place) {
                next.tokens.push(self.token(place));
                next.logits.push(logit);
            }
        }
        self.next = std::mem::replace(&mut self.list, next);
        self.kept = kept;
        self.listed = true;
    }

    /// Logits of what is left.
    fn logits<'a>(&'a self, row: &'a [f32]) -> &'a [f32] {
        if self.listed { &self.list.logits } else { row }
    }

    /// The token at `place` among what is left; 0 if nothing is left, which only a row without numbers leads to.
    fn token(&self, place: usize) -> i32 {
        if self.listed { self.list.tokens.get(place).copied().unwrap_or(0) } else { place as i32 }
    }
}
