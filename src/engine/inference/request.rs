//! A request on its way through the inference thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use llamero_kernels::sampling::{self, Sampler};

use super::paced::Paced;
use super::parts::Parts;
use crate::engine::backend::{Token, Vocabulary};
use crate::engine::grammar::{Constraint, Next};
use crate::engine::models::ModelId;
use crate::engine::prepare::Start;
use crate::engine::stop::AnswerText;
use crate::engine::wire::{Completion, LoadOptions, StreamKey};
use crate::prompt::parse::Parser;
use crate::stream::back::Outbox;
use crate::stream::frames::{Final, Logprob, ReplyWriter, TokenLogprob};

/// Where a request stands.
pub enum Stage {
    /// It waits for its model.
    WantsModel {
        /// What is wanted of it; `None`: only that it is loaded.
        completion: Option<Box<Completion>>,
        /// The context that is asked for is among them.
        options: LoadOptions,
    },
    /// A worker makes its prompt.
    Preparing(Cancelled),
    /// The scheduler has it.
    Answering(Box<Answering>),
    /// It is a stream of made-up tokens.
    Paced(Paced),
    /// Its reply is complete and waits for slots.
    Ending,
}

/// Tells a worker that its result is not wanted any more.
#[derive(Debug, Clone, Default)]
pub struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// From now on it is not.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is not.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request.
pub struct Request {
    /// The core that asked.
    pub core: usize,
    /// Its name there.
    pub stream: StreamKey,
    /// When the handler got it.
    pub received_ns: u64,
    /// How long it took until it had its model.
    pub load_ns: u64,
    /// The model that it was granted.
    pub model: Option<ModelId>,
    /// Where it stands.
    pub stage: Stage,
    /// Its reply.
    pub writer: ReplyWriter,
    /// The client is behind.
    pub paused: bool,
    /// The writer waits for slots.
    pub blocked: bool,
}

/// An answer that grows.
pub struct Answering {
    sampler: Sampler,
    /// Holds the answer to its format.
    constraint: Option<Constraint>,
    text: AnswerText,
    /// Tells thinking, calls and content apart; `None`: all is content.
    parser: Option<Parser>,
    /// Control tokens whose text the parser has to see; a handful.
    preserved: Vec<Token>,
    /// Alternatives beside each token, if log probabilities are wanted.
    alternatives: Option<usize>,
    /// Log probabilities of tokens whose text is held back, each with the length of its text.
    reported_later: Vec<(Logprob, usize)>,
    /// Bytes held back of tokens whose log probabilities have gone out.
    reported_early: usize,
    /// Tokens of the reply's `context` so far.
    context: Option<Context>,
    truncated: bool,
    predict: usize,
    prompt_tokens: u32,
    sampled: u32,
    admitted_ns: u64,
    first_token_ns: u64,
    scratch: Vec<(Token, f32)>,
    /// Log probabilities that go out with the text that is ready.
    logprobs: Vec<Logprob>,
}

struct Context {
    tokens: Vec<Token>,
    /// How many of them are the prompt's.
    prompt: usize,
    /// Text of the answer so far, where a stop string may cut a token in two.
    text: Option<String>,
}

/// What came of a row of logits.
#[derive(Debug, PartialEq, Eq)]
pub enum Sampled {
    /// A token, and the answer goes on unless its length is reached.
    Token(Token),
    /// The answer's end.
    Ended(Ended),
    /// The answer cannot go on: its format has become too complex.
    Failed(String),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// At an end token or a stop string.
    Stop,
    /// With all its tokens, or all its context.
    Length,
}

impl Ended {
    fn reason(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

impl Answering {
    /// Takes what is needed for the answer; the tokens and limits go to the scheduler.
    pub fn new(start: &mut Start) -> Self {
        let has_stops = !start.stops.is_empty();
        let context = start.context.take().map(|tokens| Context {
            prompt: tokens.len(),
            tokens,
            text: has_stops.then(String::new),
        });
        Self {
            sampler: start.sampler.clone(),
            constraint: start.constraint.take(),
            text: AnswerText::new(std::mem::take(&mut start.stops)),
            parser: start.parser.take(),
            preserved: std::mem::take(&mut start.preserved),
            alternatives: start.logprobs,
            reported_later: Vec::new(),
            reported_early: 0,
            context,
            truncated: start.truncated,
            predict: start.limits.predict,
            prompt_tokens: start.tokens.len() as u32,
            sampled: 0,
            admitted_ns: 0,
            first_token_ns: 0,
            scratch: Vec::new(),
            logprobs: Vec::new(),
        }
    }

    /// It left the queue; after a preemption this counts no more.
    pub fn admitted(&mut self, now: u64) {
        if self.admitted_ns == 0 {
            self.admitted_ns = now;
        }
    }

    /// Whether only the prompt was to be computed.
    pub fn wants_nothing(&self) -> bool {
        self.predict == 0
    }

    /// Whether it is known which tokens may come next; waits for that, if need be (`None`: however long it takes).
    pub fn knows_next(&mut self, until: Option<Instant>) -> bool {
        self.constraint.as_mut().is_none_or(|constraint| constraint.wait(until))
    }

    /// Chooses the next token from its row of logits, once [`Self::knows_next`]. What may go out now
    /// is for [`Self::write`].
    pub fn sample(&mut self, logits: &mut [f32], vocabulary: &dyn Vocabulary, now: u64) -> Sampled {
        if self.sampled == 0 {
            self.first_token_ns = now;
        }
        let token = match self.constraint.as_mut().map_or(Next::Free, Constraint::next_token) {
            Next::Free => self.sampler.sample(logits),
            Next::Among(mask) => match self.sampler.sample_among(logits, mask) {
                Some(token) => token,
                None => return Sampled::Ended(Ended::Stop),
            },
            Next::Failed(why) => return Sampled::Failed(why.to_owned()),
            Next::Unknown => return Sampled::Failed("a token was asked for before its mask was there".to_owned()),
        };
        self.sampler.accept(token);
        self.sampled += 1;
        if vocabulary.is_end(token) {
            return Sampled::Ended(Ended::Stop);
        }
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token, vocabulary.piece_special(token));
        }
        let is_preserved = self.preserved.contains(&token);
        let piece = if is_preserved { vocabulary.piece_special(token) } else { vocabulary.piece(token) };
        if let Some(alternatives) = self.alternatives {
            let logprob = self.logprob(logits, token, alternatives, vocabulary);
            self.reported_later.push((logprob, piece.len()));
        }
        if let Some(context) = &mut self.context {
            context.tokens.push(token);
        }
        let stopped = self.text.push(piece);
        self.report(stopped);
        if stopped { Sampled::Ended(Ended::Stop) } else { Sampled::Token(token) }
    }

    /// Writes the text and log probabilities that may go out now. `is_over`: no more will come.
    pub fn write(&mut self, writer: &mut ReplyWriter, out: &mut Outbox, is_over: bool) {
        let text = self.text.ready();
        match &mut self.parser {
            None if text.is_empty() && self.logprobs.is_empty() => return,
            None => writer.token(out, text, &self.logprobs),
            Some(parser) => {
                let mut parts = Parts { writer, out, logprobs: &self.logprobs };
                parser.push(text, &mut parts);
                if is_over {
                    parser.finish(&mut parts);
                }
                parts.finish();
            }
        }
        self.sent();
    }

    fn sent(&mut self) {
        if let Some(Context { text: Some(text), .. }) = &mut self.context {
            text.push_str(self.text.ready());
        }
        self.text.sent();
        self.logprobs.clear();
    }

    /// Lets out what was held back, at the end of the answer.
    pub fn release(&mut self) {
        self.text.finish();
        self.logprobs.extend(self.reported_later.drain(..).map(|(logprob, _)| logprob));
    }

    /// The end of the answer, after everything was sent.
    pub fn end(&mut self, ended: Ended, vocabulary: &dyn Vocabulary, now: u64) -> Final<'_> {
        if let Some(context) = &mut self.context {
            context.cut_to_text(vocabulary);
        }
        let first = if self.sampled == 0 { now } else { self.first_token_ns };
        Final {
            done_reason: ended.reason(),
            context: self.context.as_ref().map(|context| &context.tokens[..]),
            total_ns: 0,
            load_ns: 0,
            prompt_eval_count: self.prompt_tokens,
            prompt_eval_ns: first.saturating_sub(self.admitted_ns),
            eval_count: self.sampled,
            eval_ns: now.saturating_sub(first),
            prompt_truncated: self.truncated,
        }
    }

    /// Moves the log probabilities of the tokens whose text has begun to go out.
    fn report(&mut self, stopped: bool) {
        if self.alternatives.is_none() {
            return;
        }
        let ready = self.text.ready().len();
        let mut begins = self.reported_early;
        let mut goes = |&(_, length): &(Logprob, usize)| {
            let goes = begins < ready;
            begins += length;
            goes
        };
        let count = self.reported_later.iter().take_while(|&item| goes(item)).count();
        self.logprobs.extend(self.reported_later.drain(..count).map(|(logprob, _)| logprob));
        if stopped {
            // Tokens of the stop string itself are not shown.
            self.reported_later.clear();
        }
        let later: usize = self.reported_later.iter().map(|&(_, length)| length).sum();
        self.reported_early = self.text.held().saturating_sub(later);
    }

    fn logprob(&mut self, logits: &[f32], token: Token, alternatives: usize, vocabulary: &dyn Vocabulary) -> Logprob {
        let logprob = sampling::logprobs(logits, token, alternatives, &mut self.scratch);
        let named = |token: Token, logprob: f32| TokenLogprob { token: vocabulary.piece(token).to_vec(), logprob };
        Logprob {
            chosen: named(token, logprob),
            top: self.scratch.iter().map(|&(token, logprob)| named(token, logprob)).collect(),
        }
    }
}

impl Context {
    /// After a stop string the answer's tokens say more than its text: they are taken from the text instead.
    fn cut_to_text(&mut self, vocabulary: &dyn Vocabulary) {
        let Some(text) = self.text.take() else { return };
        match vocabulary.tokenize(&text, true, false) {
            Ok(tokens) => {
                self.tokens.truncate(self.prompt);
                self.tokens.extend(tokens);
            }
            Err(error) => tracing::error!(%error, "the context of a reply keeps the tokens of its stop string"),
        }
    }
}
