//! The last tokens of a sequence, and the penalties on saying them again.

use std::collections::{HashMap, VecDeque};

use super::Params;

/// Room made at once; a longer window grows as it fills.
const ROOM: usize = 1024;

/// The window that the penalties look back on.
#[derive(Debug, Clone)]
pub(super) struct History {
    repeat_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    /// Most tokens in the window; 0 while no penalty is on, and then nothing is kept.
    window: usize,
    /// Oldest first; its tokens are exactly those counted.
    tokens: VecDeque<i32>,
    /// How often each token stands in the window; never 0.
    counts: HashMap<i32, u32>,
    /// Logits before their penalty, for [`Self::restore`].
    before: Vec<(usize, f32)>,
}

impl History {
    pub(super) fn new(params: &Params) -> Self {
        let window = if all_off(params) { 0 } else { params.repeat_last_n as usize };
        Self {
            repeat_penalty: params.repeat_penalty,
            frequency_penalty: params.frequency_penalty,
            presence_penalty: params.presence_penalty,
            window,
            tokens: VecDeque::with_capacity(window.min(ROOM)),
            // Twice the entries: only then does the map reuse the places of removed ones without growing.
            counts: HashMap::with_capacity(2 * window.min(ROOM)),
            before: Vec::new(),
        }
    }

    /// Takes a token into the window, and the oldest out of a full one.
    pub(super) fn accept(&mut self, token: i32) {
        if self.window == 0 {
            return;
        }
        if self.tokens.len() >= self.window
            && let Some(oldest) = self.tokens.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.tokens.push_back(token);
        *self.counts.entry(token).or_insert(0) += 1;
    }

    /// Lowers the logits of the window's tokens. Tokens outside the vocabulary are passed over.
    pub(super) fn penalise(&mut self, logits: &mut [f32]) {
        self.before.clear();
        for (&token, &count) in &self.counts {
            let Ok(place) = usize::try_from(token) else { continue };
            let Some(logit) = logits.get_mut(place) else { continue };
            self.before.push((place, *logit));
            // Dividing would make a negative logit more likely. Zero counts as negative, as in llama.cpp.
            if *logit <= 0.0 {
                *logit *= self.repeat_penalty;
            } else {
                *logit /= self.repeat_penalty;
            }
            *logit -= count as f32 * self.frequency_penalty + self.presence_penalty;
        }
    }

    /// Undoes [`Self::penalise`], bit for bit.
    pub(super) fn restore(&self, logits: &mut [f32]) {
        for &(place, before) in &self.before {
            if let Some(logit) = logits.get_mut(place) {
                *logit = before;
            }
        }
    }
}

/// Whether no penalty can change a logit.
#[expect(clippy::float_cmp, reason = "only exactly these values change nothing")]
fn all_off(params: &Params) -> bool {
    params.repeat_penalty == 1.0 && params.frequency_penalty == 0.0 && params.presence_penalty == 0.0
}
