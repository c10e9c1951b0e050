//! From a request to a prompt in tokens: template, tokenizer, truncation. Done on workers; the inference thread gets
//! what it can start with at once.

use std::hash::{BuildHasher, Hasher, RandomState};

use llamero_kernels::sampling::{Params, Sampler};

use super::backend::{Facts, Token, TokenizeError, Vocabulary};
use super::grammar::{Constraint, GrammarError, Grammars, Thinking};
use super::sequence::Limits;
use super::templates::{Of, Talk, TemplateError, Templates};
use super::wire::{Chat, Completion, Prompt, Reader, Sampling};
use crate::config::limits::{CONTEXT_MIN, STOP_BYTES, STOPS_MAX};
use crate::model::{Message, Tool};
use crate::prompt::parse::{self, Parser, harmony_tool_names};
use crate::prompt::reading::Asked;

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
    /// Tells thinking, calls and content apart; `None`: all is content.
    pub parser: Option<Parser>,
    /// Control tokens whose text the parser has to see.
    pub preserved: Vec<Token>,
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
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Messages or tools are not the JSON that they should be.
    #[error("the messages or tools cannot be read")]
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
    /// The HTTP status that goes with it: nearly all are about what the client sent. What Ollama renders itself fails
    /// with 500 there.
    pub fn status(&self) -> u16 {
        match self {
            Self::Panicked | Self::Template(TemplateError::Failed(_)) => 500,
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
    templates: &Templates,
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
    let maker = Maker { templates, of: Of { vocabulary, go_template: completion.go_template.as_deref() }, tokenizer };
    let talk = Conversation::of(&completion)?;
    let prompt = maker.unfitted(&completion, &talk, context)?;
    if completion.render_only {
        return Ok(Prepared::Rendered([maker.tokenizer.front, prompt.text].concat()));
    }
    let reading = maker.reading(&completion, &talk, &prompt.text);
    let constraint = match &completion.format {
        Some(format) => Some(grammars.constrain(format, reading.thinking.as_ref())?),
        None => None,
    };
    let tokenizer = maker.tokenizer;
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
        parser: reading.parser,
        preserved: reading.preserved,
        tokens: fits.tokens,
    })))
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

/// A conversation out of its JSON; empty for prompts of another kind.
#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    /// By the names that the request gave them.
    tools: Option<Vec<Tool>>,
    /// By those that the prompt has for them, where these are others.
    renamed: Option<Vec<Tool>>,
}

impl Conversation {
    fn of(completion: &Completion) -> Result<Self, PrepareError> {
        let Prompt::Chat(chat) = &completion.prompt else { return Ok(Self::default()) };
        let messages = serde_json::from_str(&chat.messages).map_err(|_| PrepareError::Messages)?;
        let tools = chat.tools.as_deref().map(serde_json::from_str::<Vec<Tool>>);
        let tools = tools.transpose().map_err(|_| PrepareError::Messages)?;
        let is_harmony = matches!(&completion.reader, Reader::BuiltIn(name) if name == "harmony");
        let renamed = tools.as_deref().filter(|_| is_harmony).map(renamed);
        Ok(Self { messages, tools, renamed })
    }

    fn talk<'a>(&'a self, messages: &'a [Message], completion: &Completion) -> Talk<'a> {
        let tools = self.renamed.as_deref().or(self.tools.as_deref());
        Talk { messages, tools, think: completion.think }
    }

    /// The messages without the first `count`, system messages excepted.
    fn without(&self, count: usize) -> Vec<Message> {
        let stays = |&(index, message): &(usize, &Message)| index >= count || message.role == "system";
        self.messages.iter().enumerate().filter(stays).map(|(_, message)| message.clone()).collect()
    }
}

fn renamed(tools: &[Tool]) -> Vec<Tool> {
    let names = harmony_tool_names(tools.iter().map(|tool| tool.function.name.as_str()));
    let mut renamed = tools.to_vec();
    for (tool, name) in renamed.iter_mut().zip(names) {
        tool.function.name = name;
    }
    renamed
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

/// What makes prompts for one model.
struct Maker<'a> {
    templates: &'a Templates,
    of: Of<'a>,
    tokenizer: Tokenizer<'a>,
}

impl Maker<'_> {
    fn unfitted(&self, completion: &Completion, talk: &Conversation, context: usize) -> Result<Unfitted, PrepareError> {
        let (text, tokens, truncated) = match &completion.prompt {
            Prompt::Raw(text) => (text.clone(), self.tokenizer.tokens(text)?, false),
            Prompt::Gap(gap) => {
                let text = self.templates.gap(self.of, gap, completion.think)?;
                let tokens = self.tokenizer.tokens(&text)?;
                (text, tokens, false)
            }
            Prompt::Chat(chat) => self.rendered(completion, chat, talk, context)?,
        };
        let added = self.tokenizer.added(&text)?;
        Ok(Unfitted { text, tokens, added, truncated })
    }

    /// Renders and tokenizes messages, without the oldest ones where they do not fit (section 2.2.4). Returns text,
    /// tokens, and whether messages were left out.
    fn rendered(
        &self,
        completion: &Completion,
        chat: &Chat,
        talk: &Conversation,
        context: usize,
    ) -> Result<(String, Vec<Token>, bool), PrepareError> {
        let attempt = |messages: &[Message]| -> Result<(String, Vec<Token>), PrepareError> {
            let text = self.templates.conversation(self.of, &chat.writer, talk.talk(messages, completion))?;
            let tokens = self.tokenizer.tokens(&text)?;
            Ok((text, tokens))
        };
        let (text, tokens) = attempt(&talk.messages)?;
        // The fewest messages to leave out, found by halving: the more go, the shorter the prompt. The last one stays.
        let (mut too_few, mut enough) = (0, talk.messages.len().saturating_sub(1));
        if tokens.len() < context || !completion.truncate || enough == 0 {
            return Ok((text, tokens, false));
        }
        let mut best = attempt(&talk.without(enough))?;
        while enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            // A template may refuse what is left, a conversation that begins with an answer for example.
            match attempt(&talk.without(middle)) {
                Ok(shorter) if shorter.1.len() < context => (best, enough) = (shorter, middle),
                Ok(_) | Err(PrepareError::Template(_)) => too_few = middle,
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(dropped = enough, context, "the oldest messages do not fit and were left out");
        Ok((best.0, best.1, true))
    }

    /// Who reads the answer.
    fn reading(&self, completion: &Completion, talk: &Conversation, prompt: &str) -> Reading {
        if completion.reader == Reader::Nobody {
            return Reading::default();
        }
        let tools: Vec<_> = talk.tools.iter().flatten().filter_map(|tool| serde_json::to_value(tool).ok()).collect();
        let tools = parse::Tools::new(&tools);
        let asked = Asked { tools: &tools, think: completion.think, last: talk.messages.last(), prompt };
        let Some(reading) = self.templates.reading(self.of, &completion.reader, &asked) else {
            return Reading::default();
        };
        let vocabulary = self.of.vocabulary;
        let mut preserved = Vec::new();
        for text in reading.preserved.iter().filter(|text| !text.is_empty()) {
            match vocabulary.tokenize(text, true, false).as_deref() {
                Ok(&[token]) if vocabulary.piece(token).is_empty() => preserved.push(token),
                _ => {}
            }
        }
        let thinking = reading.thinking.map(|around| Thinking { open: around.open, close: around.close });
        Reading { parser: Some(reading.parser), preserved, thinking }
    }
}

/// Who reads an answer.
#[derive(Default)]
struct Reading {
    parser: Option<Parser>,
    /// Control tokens whose text the parser has to see.
    preserved: Vec<Token>,
    /// What stands around the thinking that comes before the answer.
    thinking: Option<Thinking>,
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
            if !completion.truncate || is_native(completion) {
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

/// Whether Ollama would leave the prompt to its engine.
fn is_native(completion: &Completion) -> bool {
    matches!(&completion.prompt, Prompt::Chat(chat) if chat.is_native)
}

/// Most tokens to answer with (section 2.8). 0 means no limit where Ollama makes the prompt itself.
fn predict(completion: &Completion, context: usize) -> usize {
    let most = context * 10;
    match usize::try_from(completion.num_predict) {
        Ok(0) if !is_native(completion) => most,
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
