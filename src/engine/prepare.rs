//! From a request to a prompt in tokens: template, tokenizer, truncation. Done on workers; the inference thread gets
//! what it can start with at once.

use std::hash::{BuildHasher, Hasher, RandomState};

use llamero_kernels::sampling::{Params, Sampler};
use serde_json::value::RawValue;

use super::backend::{Facts, Token, TokenizeError, Vocabulary};
use super::grammar::{Constraint, GrammarError, Grammars, Thinking};
use super::sequence::Limits;
use super::wire::{Completion, Prompt, Sampling};
use crate::config::limits::{CONTEXT_MIN, STOP_BYTES, STOPS_MAX};

/// Turns messages into a prompt by the model's template.
pub trait Render: Send + Sync {
    /// The prompt for `messages`, a JSON array, with the model's own chat template or a stand-in where it has none.
    ///
    /// # Errors
    /// A sentence for the client: a template may refuse messages.
    fn render(
        &self,
        vocabulary: &dyn Vocabulary,
        messages: &str,
        enable_thinking: Option<bool>,
    ) -> Result<String, String>;
}

/// What a request has become.
pub enum Prepared {
    /// The prompt's text, which is all that was asked for.
    Rendered(String),
    /// Something to compute.
    Start(Box<Start>),
}

/// Everything that the inference thread needs to answer a prompt.
pub struct Start {
    /// The prompt, at least one token and fewer than `limits.context`.
    pub tokens: Vec<Token>,
    /// What it may use. A `predict` of 0: the prompt is computed, nothing is answered.
    pub limits: Limits,
    /// Has seen the prompt.
    pub sampler: Sampler,
    /// Holds the answer to its format, if it has one.
    pub constraint: Option<Constraint>,
    /// Texts that end the answer.
    pub stops: Vec<String>,
    /// Log probabilities are wanted, with this many alternatives each.
    pub logprobs: Option<usize>,
    /// Tokens in front of the answer in the reply's `context`, if there is to be one.
    pub context: Option<Vec<Token>>,
    /// The prompt was cut to fit.
    pub truncated: bool,
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrepareError {
    /// The request was cancelled meanwhile.
    #[error("the request was cancelled")]
    Cancelled,
    /// A template or the tokenizer broke down.
    #[error("the prompt could not be prepared")]
    Panicked,
    /// The template says no.
    #[error("{0}")]
    Template(String),
    /// The messages are no JSON array.
    #[error("the messages are not a list")]
    Messages,
    /// The tokenizer says no.
    #[error("{0}")]
    Tokenize(#[from] TokenizeError),
    /// No answer can be held to the format.
    #[error("{0}")]
    Format(#[from] GrammarError),
    /// Nothing to go on from.
    #[error("the prompt holds no tokens")]
    Empty,
    /// Longer than the context, and not to be cut (llama-server's words).
    #[error("request ({tokens} tokens) exceeds the available context size ({context} tokens), try increasing it")]
    TooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// The request's context.
        context: usize,
    },
    /// To be cut, but the context may not shift (the behaviour page, section 2.2.5).
    #[error(
        "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length"
    )]
    NoShift,
    /// More or longer stop strings than the limits allow.
    #[error("at most {STOPS_MAX} stop sequences of {STOP_BYTES} bytes are allowed")]
    Stops,
}

impl PrepareError {
    /// The HTTP status that goes with it: nearly all are about what the client sent.
    pub fn status(&self) -> u16 {
        match self {
            Self::Panicked => 500,
            Self::Format(error) => error.status(),
            _ => 400,
        }
    }
}

/// Prepares a completion for a model. `context` is the request's, in tokens, not above the model's pool.
///
/// # Errors
/// When there is no prompt that could be answered.
pub fn prepare(
    completion: Completion,
    context: usize,
    facts: &Facts,
    vocabulary: &dyn Vocabulary,
    grammars: &Grammars,
    render: &dyn Render,
) -> Result<Prepared, PrepareError> {
    let too_long = |stop: &String| stop.len() > STOP_BYTES;
    if completion.stop.len() > STOPS_MAX || completion.stop.iter().any(too_long) {
        return Err(PrepareError::Stops);
    }
    let context = context.max(CONTEXT_MIN);
    let shift = completion.shift && facts.can_shift;
    if completion.shift && !facts.can_shift {
        tracing::debug!("this model cannot shift its context: answers end when it is full");
    }
    let tokenizer = Tokenizer { vocabulary, front: front(vocabulary, &completion.context) };
    let prompt = Unfitted::of(&completion, context, &tokenizer, render)?;
    if completion.render_only {
        return Ok(Prepared::Rendered(prompt.text));
    }
    let constraint = match &completion.format {
        Some(format) => Some(grammars.constrain(format, thinking(&completion, &prompt.text).as_ref())?),
        None => None,
    };
    let keep = keep(&completion, context, prompt.tokens.len(), tokenizer.adds_bos()?);
    let fits = Fitted::of(prompt, &completion, context, keep, shift)?;
    if fits.tokens.is_empty() {
        return Err(PrepareError::Empty);
    }
    let mut sampler = Sampler::new(params(&completion.sampling, context));
    for &token in &fits.tokens {
        sampler.accept(token);
    }
    Ok(Prepared::Start(Box::new(Start {
        limits: Limits { context, keep, shift, predict: predict(&completion, context) },
        sampler,
        constraint,
        logprobs: completion.logprobs.then_some(usize::from(completion.top_logprobs)),
        context: completion.reply_context.then(|| fits.without_bos().to_vec()),
        truncated: fits.truncated,
        stops: completion.stop,
        tokens: fits.tokens,
    })))
}

/// What a model that was told to think writes before its answer. Whether it has begun shows at the end of the prompt.
fn thinking(completion: &Completion, prompt: &str) -> Option<Thinking> {
    const OPEN: &str = "<think>";
    completion.enable_thinking.filter(|&thinks| thinks)?;
    let begun = prompt.trim_end().ends_with(OPEN);
    Some(Thinking { open: (!begun).then(|| OPEN.to_owned()), close: "</think>".to_owned() })
}

/// The text of earlier tokens, which goes in front of the prompt (section 2.2.6).
fn front(vocabulary: &dyn Vocabulary, context: &[Token]) -> String {
    let bytes: Vec<u8> = context.iter().flat_map(|&token| vocabulary.piece_special(token)).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Tokenizer<'a> {
    vocabulary: &'a dyn Vocabulary,
    front: String,
}

impl Tokenizer<'_> {
    fn tokens(&self, prompt: &str) -> Result<Vec<Token>, TokenizeError> {
        if self.front.is_empty() {
            return self.vocabulary.tokenize(prompt, true, true);
        }
        self.vocabulary.tokenize(&[&self.front, prompt].concat(), true, true)
    }

    /// Whether the model wants a token in front of every prompt.
    fn adds_bos(&self) -> Result<bool, TokenizeError> {
        Ok(!self.vocabulary.tokenize("", true, true)?.is_empty())
    }

    /// Tokens at the front of `text` that are not in the text.
    fn added(&self, text: &str) -> Result<usize, TokenizeError> {
        let bos = self.vocabulary.bos_text();
        let first = if self.front.is_empty() { text } else { &self.front };
        let is_in_text = !bos.is_empty() && first.starts_with(bos);
        Ok(usize::from(self.adds_bos()? && !is_in_text))
    }
}

/// A prompt before it is fitted into the context.
struct Unfitted {
    text: String,
    tokens: Vec<Token>,
    /// Tokens at the front that are not in the text.
    added: usize,
    /// Messages were left out.
    truncated: bool,
}

impl Unfitted {
    fn of(
        completion: &Completion,
        context: usize,
        tokenizer: &Tokenizer<'_>,
        render: &dyn Render,
    ) -> Result<Self, PrepareError> {
        let (text, tokens, truncated) = match &completion.prompt {
            Prompt::Raw(text) => (text.clone(), tokenizer.tokens(text)?, false),
            Prompt::Messages(messages) => rendered(completion, messages, context, tokenizer, render)?,
        };
        let added = tokenizer.added(&text)?;
        Ok(Self { text, tokens, added, truncated })
    }
}

/// Renders and tokenizes messages, without the oldest ones where they do not fit (section 2.2.4). Returns text, tokens,
/// and whether messages were left out.
fn rendered(
    completion: &Completion,
    messages: &str,
    context: usize,
    tokenizer: &Tokenizer<'_>,
    render: &dyn Render,
) -> Result<(String, Vec<Token>, bool), PrepareError> {
    let attempt = |messages: &str| -> Result<(String, Vec<Token>), PrepareError> {
        let text = render.render(tokenizer.vocabulary, messages, completion.enable_thinking);
        let text = text.map_err(PrepareError::Template)?;
        let tokens = tokenizer.tokens(&text)?;
        Ok((text, tokens))
    };
    let (text, tokens) = attempt(messages)?;
    if tokens.len() < context || !completion.truncate {
        return Ok((text, tokens, false));
    }
    let all = Messages::parse(messages)?;
    // The fewest messages to leave out, found by halving: the more go, the shorter the prompt. The last one stays.
    let (mut too_few, mut enough) = (0, all.len().saturating_sub(1));
    if enough == 0 {
        return Ok((text, tokens, false));
    }
    let mut best = attempt(&all.without(enough))?;
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        let shorter = attempt(&all.without(middle))?;
        if shorter.1.len() < context {
            (best, enough) = (shorter, middle);
        } else {
            too_few = middle;
        }
    }
    tracing::warn!(dropped = enough, context, "the oldest messages do not fit and were left out");
    Ok((best.0, best.1, true))
}

/// A list of messages that can be cut without being understood.
struct Messages<'a> {
    items: Vec<&'a RawValue>,
    is_system: Vec<bool>,
}

impl<'a> Messages<'a> {
    fn parse(json: &'a str) -> Result<Self, PrepareError> {
        #[derive(serde::Deserialize)]
        struct Role<'a> {
            #[serde(borrow, default)]
            role: std::borrow::Cow<'a, str>,
        }
        let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| PrepareError::Messages)?;
        let role = |item: &&RawValue| serde_json::from_str::<Role<'_>>(item.get()).map(|item| item.role == "system");
        let is_system = items.iter().map(role).collect::<Result<_, _>>().map_err(|_| PrepareError::Messages)?;
        Ok(Self { items, is_system })
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    /// The list without its first `count`, system messages excepted.
    fn without(&self, count: usize) -> String {
        let stays = |&(index, _): &(usize, &&RawValue)| index >= count || self.is_system[index];
        let items: Vec<&str> = self.items.iter().enumerate().filter(stays).map(|(_, item)| item.get()).collect();
        format!("[{}]", items.join(","))
    }
}

/// A prompt that fits its context, with room for a token.
struct Fitted {
    tokens: Vec<Token>,
    added: usize,
    truncated: bool,
}

impl Fitted {
    fn of(
        prompt: Unfitted,
        completion: &Completion,
        context: usize,
        keep: usize,
        shift: bool,
    ) -> Result<Self, PrepareError> {
        let Unfitted { mut tokens, added, mut truncated, .. } = prompt;
        if tokens.len() >= context {
            let is_raw = matches!(completion.prompt, Prompt::Raw(_));
            if !completion.truncate || !is_raw {
                return Err(PrepareError::TooLong { tokens: tokens.len(), context });
            }
            if !shift {
                return Err(PrepareError::NoShift);
            }
            tracing::warn!(tokens = tokens.len(), context, "the prompt is too long and its middle was cut out");
            cut_middle(&mut tokens, context, keep);
            truncated = true;
        }
        Ok(Self { tokens, added, truncated })
    }

    fn without_bos(&self) -> &[Token] {
        self.tokens.get(self.added..).unwrap_or_default()
    }
}

/// Cuts a prompt down to about half the context behind the kept front (section 2.2.5).
fn cut_middle(tokens: &mut Vec<Token>, context: usize, keep: usize) {
    let target = context - ((context - keep) / 2).max(1);
    let tail = target - keep;
    tokens.drain(keep..tokens.len() - tail);
}

/// Tokens at the front that stay: `num_keep` and the token that the model puts in front; below 0: the whole prompt. As
/// in llama-server, something is left to drop.
fn keep(completion: &Completion, context: usize, prompt: usize, adds_bos: bool) -> usize {
    let asked = usize::try_from(completion.num_keep).unwrap_or(prompt);
    (asked + usize::from(adds_bos)).min(context - CONTEXT_MIN)
}

/// Most tokens to answer with (section 2.8). With a template 0 means none; without one it means no limit.
fn predict(completion: &Completion, context: usize) -> usize {
    let most = context * 10;
    match usize::try_from(completion.num_predict) {
        Ok(0) if matches!(completion.prompt, Prompt::Raw(_)) => most,
        Ok(asked) if asked > most => {
            tracing::warn!(asked, most, "num_predict is more than ten contexts and was lowered");
            most
        }
        Ok(asked) => asked,
        Err(_) => most,
    }
}

fn params(sampling: &Sampling, context: usize) -> Params {
    Params {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        typical_p: sampling.typical_p,
        repeat_last_n: u32::try_from(sampling.repeat_last_n).unwrap_or(context as u32).min(context as u32),
        repeat_penalty: sampling.repeat_penalty,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        // The standard library seeds each of these states from the system's random numbers.
        seed: sampling.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() as u32),
    }
}
