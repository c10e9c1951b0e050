//! Runs a fixed script of arrivals and cancels against a scheduler and a model, and tells in which order things
//! happened. The order depends on lengths alone, so any model gives the same.

use super::{Capacity, Plan, Scheduler};
use crate::engine::backend::{Backend, DecodeError, Token};
use crate::engine::sequence::{Limits, RequestId, Sequence, SequenceError, Verdict};

/// One line of a script. Steps count from 0; lines of one step happen in the script's order, before the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A request comes.
    Arrive {
        /// When.
        step: usize,
        /// Its name.
        id: RequestId,
        /// Its prompt.
        prompt: Vec<Token>,
        /// Its limits; it ends after exactly `predict` tokens, whatever the model says.
        limits: Limits,
    },
    /// A request is cancelled.
    Cancel {
        /// When.
        step: usize,
        /// Which.
        id: RequestId,
    },
}

impl Line {
    fn step(&self) -> usize {
        match self {
            Self::Arrive { step, .. } | Self::Cancel { step, .. } => *step,
        }
    }
}

/// What happened, and in which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A request left the queue.
    Admitted(usize, RequestId),
    /// A request went back to the queue.
    Preempted(usize, RequestId),
    /// A request was taken out in mid-way.
    Cancelled(usize, RequestId),
    /// A request had all its tokens.
    Ended(usize, RequestId),
}

/// Why a script could not be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TraceError {
    /// A request of the script is not one.
    #[error("a request of the script cannot run: {0}")]
    Request(#[from] SequenceError),
    /// The model failed.
    #[error("step {0} failed: {1}")]
    Decode(usize, DecodeError),
    /// Requests are left with which nothing happens.
    #[error("nothing happens any more after step {0}")]
    Stuck(usize),
}

/// Runs `script` to its end, each token the likeliest one.
///
/// # Errors
/// When a request is impossible, the model fails, or the scheduler gets stuck.
pub fn run(backend: &mut dyn Backend, capacity: Capacity, mut script: Vec<Line>) -> Result<Vec<Happened>, TraceError> {
    script.sort_by_key(Line::step);
    let mut script = script.into_iter().peekable();
    let mut scheduler = Scheduler::new(capacity);
    let mut plan = Plan::default();
    let mut happened = Vec::new();
    let mut step = 0;
    while script.peek().is_some() || scheduler.waiting() + scheduler.running() > 0 {
        while let Some(line) = script.next_if(|line| line.step() <= step) {
            match line {
                Line::Arrive { id, prompt, limits, .. } => scheduler.submit(Sequence::new(id, prompt, limits)?),
                Line::Cancel { id, .. } if scheduler.leave(id) => happened.push(Happened::Cancelled(step, id)),
                Line::Cancel { .. } => {}
            }
        }
        scheduler.plan(&mut plan);
        happened.extend(plan.admitted.iter().map(|&id| Happened::Admitted(step, id)));
        happened.extend(plan.preempted.iter().map(|&id| Happened::Preempted(step, id)));
        if plan.batch.is_empty() && script.peek().is_none() && scheduler.waiting() + scheduler.running() > 0 {
            return Err(TraceError::Stuck(step));
        }
        carry_out(backend, &mut scheduler, &plan, step, &mut happened)?;
        step += 1;
    }
    Ok(happened)
}

fn carry_out(
    backend: &mut dyn Backend,
    scheduler: &mut Scheduler,
    plan: &Plan,
    step: usize,
    happened: &mut Vec<Happened>,
) -> Result<(), TraceError> {
    for op in &plan.ops {
        op.apply(backend);
    }
    if plan.batch.is_empty() {
        return Ok(());
    }
    backend.decode(&plan.batch).map_err(|error| TraceError::Decode(step, error))?;
    for ready in &plan.ready {
        let token = likeliest(backend.logits(ready.row));
        if scheduler.sampled(ready.request, token) == Verdict::Length {
            scheduler.leave(ready.request);
            happened.push(Happened::Ended(step, ready.request));
        }
    }
    Ok(())
}

/// The token with the highest logit, the lowest of several.
pub fn likeliest(logits: &[f32]) -> Token {
    let best = |best: usize, token: usize| if logits[token] > logits[best] { token } else { best };
    (0..logits.len()).reduce(best).unwrap_or(0) as Token
}
