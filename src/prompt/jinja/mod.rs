//! Jinja chat templates, as Hugging Face's transformers and llama.cpp run them: blocks trimmed, Python's values with
//! their methods, `break` and `continue`, `raise_exception`, `strftime_now`, and Python's `tojson`. Where the two differ
//! (none prints as nothing, strings in lists have no escapes, case counts in sorting) it is llama.cpp's way, as in Ollama.
//!
//! Templates come from strangers. They get no files, [`TEMPLATE_FUEL`] steps, [`TEMPLATE_WORK_BYTES`] of text and lists,
//! [`PROMPT_BYTES`] of output, and no more of the stack than a worker has. The engine is our own, because the one crate
//! that covers the language, minijinja, lets a template of a line overflow the stack: a row of `not`, a namespace that
//! holds itself, a list in a list in a list.
//!
//! [`lex`] and [`parse`] make a [`tree`] of a template, [`exec`] runs its statements, and [`eval`] its expressions, over
//! [`value`]s. [`likes`] finds out what kind of messages a template wants.

mod eval;
mod exec;
mod expression;
mod filters;
mod format;
mod globals;
mod lex;
mod likes;
mod methods;
mod parse;
mod print;
mod tree;
mod value;

use serde_json::Value as Json;

use crate::config::limits::{
    GGUF_STRING_BYTES, JSON_DEPTH_MAX, PROMPT_BYTES, TEMPLATE_FUEL, TEMPLATE_PROBE_BYTES, TEMPLATE_PROBE_FUEL,
    TEMPLATE_WORK_BYTES,
};
use exec::Machine;
use likes::Likes;
use value::{Fault, Heap, Outcome, Value};

/// The template of a model that carries none (the behaviour page, section 7.1, point 5): plain `ChatML`.
pub const CHATML: &str = "{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}";

/// What a template is given beside the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderOptions<'a> {
    /// Text of the beginning-of-sequence token (`bos_token`).
    pub bos: &'a str,
    /// Text of the end-of-sequence token (`eos_token`).
    pub eos: &'a str,
    /// End with the beginning of an answer.
    pub add_generation_prompt: bool,
    /// Whether to think; `None`: if the template knows how to.
    pub enable_thinking: Option<bool>,
    /// How hard to think (`reasoning_effort`): the level that a request names.
    pub reasoning_effort: Option<&'a str>,
    /// Tools as a JSON array in OpenAI's shape.
    pub tools: Option<&'a str>,
    /// What the clock says; `None`: what it says here and now.
    pub now: Option<&'a jiff::Zoned>,
}

/// Why a prompt could not be rendered. The sentences go to clients.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PromptError {
    /// The template is not Jinja.
    #[error("the model's chat template is not valid: {0}")]
    BadTemplate(String),
    /// The messages are not a JSON array of at most [`JSON_DEPTH_MAX`] levels.
    #[error("the messages are not valid JSON: {0}")]
    BadMessages(String),
    /// The tools are not JSON of at most [`JSON_DEPTH_MAX`] levels.
    #[error("the tools are not valid JSON: {0}")]
    BadTools(String),
    /// The template called `raise_exception`: these messages are not for this model.
    #[error("the model's chat template refuses these messages: {0}")]
    Raised(String),
    /// It would not end within [`TEMPLATE_FUEL`] steps.
    #[error("the model's chat template takes more than {TEMPLATE_FUEL} steps")]
    TooManySteps,
    /// It makes more than [`TEMPLATE_WORK_BYTES`] of texts and lists.
    #[error("the model's chat template takes more than {TEMPLATE_WORK_BYTES} bytes of memory")]
    TooMuchWork,
    /// It wrote more than [`PROMPT_BYTES`].
    #[error("the prompt is longer than {PROMPT_BYTES} bytes")]
    TooLong,
    /// It failed in another way.
    #[error("the model's chat template failed: {0}")]
    Failed(String),
}

impl From<Fault> for PromptError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Raised(message) => Self::Raised(message),
            Fault::TooManySteps => Self::TooManySteps,
            Fault::TooMuchWork => Self::TooMuchWork,
            Fault::TooLong => Self::TooLong,
            Fault::Failed(what) => Self::Failed(what),
        }
    }
}

/// A compiled chat template. Made once for a loaded model; any thread may render with it.
#[derive(Debug)]
pub struct Template {
    block: tree::Block,
    likes: Likes,
    is_gemma4: bool,
}

/// Gemma 4's template opens no turn behind an answer with text and calls, and its model loses its way then. llama.cpp
/// mends it as well: what the template has in it, what such a prompt ends with, and what is missing.
const GEMMA4: [&str; 3] = ["<|tool_call>call:", "<turn|>\n", "<|turn>model\n"];

/// Compiles and renders in one go. Who renders a template more than once keeps a [`Template`].
///
/// # Errors
/// As [`Template::compile`] and [`Template::render`].
pub fn render(template: &str, messages_json: &str, options: &RenderOptions<'_>) -> Result<String, PromptError> {
    Template::compile(template)?.render(messages_json, options)
}

impl Template {
    /// Compiles a template of at most [`GGUF_STRING_BYTES`], and tries what messages it takes.
    ///
    /// # Errors
    /// [`PromptError::BadTemplate`].
    pub fn compile(text: &str) -> Result<Self, PromptError> {
        if text.len() as u64 > GGUF_STRING_BYTES {
            return Err(PromptError::BadTemplate(format!("it has {} bytes", text.len())));
        }
        let block = parse::parse(&likes::mended(text))
            .map_err(|lex::SyntaxError(line, what)| PromptError::BadTemplate(format!("line {line}: {what}")))?;
        let mut template = Self { block, likes: Likes::default(), is_gemma4: text.contains(GEMMA4[0]) };
        template.likes = Likes::of(text, |messages, tools, think| template.probe(&messages, tools.as_ref(), think));
        Ok(template)
    }

    /// Renders a JSON array of messages in OpenAI's shape. What the template cannot take is put in a way that it can: a
    /// system message where it knows none, say, or the arguments of calls.
    ///
    /// # Errors
    /// All of [`PromptError`] but `BadTemplate`.
    pub fn render(&self, messages_json: &str, options: &RenderOptions<'_>) -> Result<String, PromptError> {
        let messages = parse_array(messages_json).map_err(PromptError::BadMessages)?;
        let tools = options.tools.map(parse_array).transpose().map_err(PromptError::BadTools)?.unwrap_or_default();
        let messages = self.likes.adapted(messages);
        let here = jiff::Zoned::now();
        let options = RenderOptions { now: Some(options.now.unwrap_or(&here)), ..*options };
        let mut prompt = self.run(Heap::new(), &messages, likes::tools(tools).as_ref(), &options)?;
        if self.is_gemma4 && options.add_generation_prompt && prompt.ends_with(GEMMA4[1]) {
            prompt.push_str(GEMMA4[2]);
        }
        Ok(prompt)
    }

    /// The text for a few messages, with little fuel: any template may be tried, at any time.
    fn probe(&self, messages: &Json, tools: Option<&Json>, enable_thinking: bool) -> Option<String> {
        let now = jiff::Zoned::default();
        let options = RenderOptions {
            add_generation_prompt: true,
            enable_thinking: Some(enable_thinking),
            now: Some(&now),
            ..RenderOptions::default()
        };
        let heap = Heap::with(TEMPLATE_PROBE_FUEL, TEMPLATE_PROBE_BYTES);
        self.run(heap, messages, tools, &options).ok()
    }

    fn run(
        &self,
        mut heap: Heap,
        messages: &Json,
        tools: Option<&Json>,
        options: &RenderOptions<'_>,
    ) -> Outcome<String> {
        let here;
        let now = if let Some(now) = options.now {
            now
        } else {
            here = jiff::Zoned::now();
            &here
        };
        let date = |format: &str| jiff::fmt::strtime::format(format, now).unwrap_or_default();
        let mut variables = vec![
            ("messages", heap.load(messages)?),
            ("bos_token", Value::str(options.bos)),
            ("eos_token", Value::str(options.eos)),
            ("add_generation_prompt", Value::Bool(options.add_generation_prompt)),
            ("date_string", Value::str(&date("%d %b %Y"))),
            ("datetime", Value::str(&date("%b %d %Y"))),
        ];
        if let Some(tools) = tools {
            variables.push(("tools", heap.load(tools)?));
        }
        let enable_thinking = options.enable_thinking.unwrap_or(self.likes.thinks());
        variables.push(("enable_thinking", Value::Bool(enable_thinking)));
        // Four names for one wish: earlier thinking stays where it is.
        variables.push(("preserve_thinking", Value::Bool(true)));
        let wishes = ["clear_thinking", "truncate_history_thinking", "drop_thinking"];
        variables.extend(wishes.map(|name| (name, Value::Bool(false))));
        if let Some(effort) = options.reasoning_effort {
            // Two names are in use.
            variables.extend(["reasoning_effort", "reasoning_strength"].map(|name| (name, Value::str(effort))));
        }
        let mut machine = Machine::new(heap, now);
        for (name, value) in variables {
            machine.give(name, value);
        }
        machine.render(&self.block)
    }
}

/// `serde_json` stops at 128 levels itself, which is our bound as well.
fn parse_array(json: &str) -> Result<Vec<Json>, String> {
    const { assert!(JSON_DEPTH_MAX == 128) };
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
