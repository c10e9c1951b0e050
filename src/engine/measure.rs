//! The engine alone: scheduler, backend and sampling at full speed, without HTTP, sockets or text. What a server adds is
//! the distance to this.

use std::time::{Duration, Instant};

use llamero_kernels::sampling::{Params, Sampler};
use serde::Serialize;

use super::backend::{Backend, DecodeError, Token};
use super::scheduler::{Capacity, Plan, Scheduler};
use super::sequence::{Limits, RequestId, Sequence, SequenceError, Verdict};

/// How tokens are chosen when a request says nothing (the behaviour page, section 2.8).
const SAMPLING: Params = Params {
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

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Sequences that start together.
    pub streams: u32,
    /// Tokens of each prompt.
    pub prompt_tokens: u32,
    /// Tokens of each answer; none ends early.
    pub max_tokens: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Sequences that started together.
    pub streams: u32,
    /// Prompt tokens by the time until every sequence had its first token.
    pub prefill_tokens_per_second: f64,
    /// The other tokens by the time after that.
    pub decode_tokens_per_second: f64,
    /// All answer tokens by all of the time: what a client sees.
    pub output_tokens_per_second: f64,
    /// All of the time, in seconds.
    pub seconds: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The lengths make no sequence.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// A step failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The sequences do not fit into the pool together.
    #[error("{streams} sequences of {tokens} tokens do not fit into {cells} cells")]
    TooMany {
        /// Sequences asked for.
        streams: u32,
        /// Tokens of each.
        tokens: u32,
        /// Cells of the pool.
        cells: u32,
    },
}

/// Runs `load` once on an idle backend, whose KV memory is empty again afterwards.
///
/// # Errors
/// When the load does not fit, or a step fails.
pub fn measure(backend: &mut dyn Backend, load: Load) -> Result<Figures, MeasureError> {
    let facts = backend.facts().clone();
    let tokens = load.prompt_tokens + load.max_tokens;
    if load.streams as usize > facts.sequences || u64::from(load.streams) * u64::from(tokens) > u64::from(facts.cells) {
        return Err(MeasureError::TooMany { streams: load.streams, tokens, cells: facts.cells });
    }
    let mut run = Run { scheduler: Scheduler::new(Capacity::of(&facts, 0)), samplers: Vec::new(), first: 0, left: 0 };
    run.submit(load, facts.vocabulary)?;
    let begin = Instant::now();
    let mut first_done = None;
    let mut plan = Plan::default();
    while run.left > 0 {
        run.step(backend, &mut plan)?;
        if first_done.is_none() && run.first == load.streams {
            first_done = Some(begin.elapsed());
        }
    }
    let all = begin.elapsed();
    // One more plan gives the memory of the sequences that have ended back.
    run.scheduler.plan(&mut plan);
    plan.ops.iter().for_each(|op| op.apply(backend));
    Ok(figures(load, first_done.unwrap_or(all), all))
}

fn figures(load: Load, prefill: Duration, all: Duration) -> Figures {
    let streams = f64::from(load.streams);
    let decoded = streams * f64::from(load.max_tokens.saturating_sub(1));
    let decoding = all.saturating_sub(prefill).as_secs_f64();
    Figures {
        streams: load.streams,
        prefill_tokens_per_second: streams * f64::from(load.prompt_tokens) / prefill.as_secs_f64(),
        decode_tokens_per_second: if decoding > 0.0 { decoded / decoding } else { 0.0 },
        output_tokens_per_second: streams * f64::from(load.max_tokens) / all.as_secs_f64(),
        seconds: all.as_secs_f64(),
    }
}

/// A run under way.
struct Run {
    scheduler: Scheduler,
    /// By request id.
    samplers: Vec<Sampler>,
    /// Sequences that have their first token.
    first: u32,
    /// Sequences that have not ended.
    left: u32,
}

impl Run {
    fn submit(&mut self, load: Load, vocabulary: usize) -> Result<(), MeasureError> {
        let limits = Limits {
            context: (load.prompt_tokens + load.max_tokens + 1) as usize,
            keep: 0,
            shift: false,
            predict: load.max_tokens as usize,
        };
        for stream in 0..load.streams {
            // Any tokens will do; each sequence has its own, so that no two are alike.
            let token = |place: u32| ((place * 31 + stream * 17 + 5) as usize % vocabulary) as Token;
            let prompt = (0..load.prompt_tokens).map(token).collect();
            self.scheduler.submit(Sequence::new(RequestId(u64::from(stream)), prompt, limits)?);
            self.samplers.push(Sampler::new(Params { seed: stream, ..SAMPLING }));
        }
        self.left = load.streams;
        Ok(())
    }

    fn step(&mut self, backend: &mut dyn Backend, plan: &mut Plan) -> Result<(), MeasureError> {
        self.scheduler.plan(plan);
        plan.ops.iter().for_each(|op| op.apply(backend));
        if plan.batch.is_empty() {
            return Ok(());
        }
        backend.decode(&plan.batch)?;
        for ready in &plan.ready {
            let sampler = &mut self.samplers[ready.request.0 as usize];
            let token = sampler.sample(backend.logits(ready.row));
            sampler.accept(token);
            if self.scheduler.get(ready.request).is_some_and(|sequence| sequence.sampled() == 0) {
                self.first += 1;
            }
            if self.scheduler.sampled(ready.request, token) == Verdict::Length {
                self.scheduler.leave(ready.request);
                self.left -= 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::synthetic::{Shape, SyntheticBackend};

    #[test]
    fn a_run_ends_and_leaves_nothing_behind() {
        let mut backend = SyntheticBackend::new(Shape::default());
        let load = Load { streams: 4, prompt_tokens: 20, max_tokens: 8 };
        for _ in 0..2 {
            let figures = measure(&mut backend, load).expect("it fits");
            assert!(figures.output_tokens_per_second > 0.0 && figures.seconds > 0.0, "{figures:?}");
            assert_eq!(backend.used(), 0);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut backend = SyntheticBackend::new(Shape::default());
        let load = Load { streams: 4, prompt_tokens: 1 << 20, max_tokens: 8 };
        assert!(matches!(measure(&mut backend, load), Err(MeasureError::TooMany { .. })));
    }
}
