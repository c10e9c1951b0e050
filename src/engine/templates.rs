//! Prompts out of messages and templates, and the parsers for their answers. Templates are parsed once and kept: workers
//! share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{ToSpan, Zoned};

use super::backend::Vocabulary;
use super::wire::{Gap, Reader, Writer};
use crate::config::limits::TEMPLATES_MAX;
use crate::model::capabilities::DEFAULT_TEMPLATE;
use crate::model::{Message, Think, Tool, json};
use crate::prompt::gotemplate::{self, Dates, Values};
use crate::prompt::reading::{self, Asked, Reading};
use crate::prompt::tags::Tags;
use crate::prompt::{CHATML, RenderOptions, Template, openai, render};

/// A conversation, read from its request.
#[derive(Debug, Clone, Copy)]
pub struct Talk<'a> {
    /// The messages, oldest first.
    pub messages: &'a [Message],
    /// The tools; `None` where the request names none at all.
    pub tools: Option<&'a [Tool]>,
    /// Whether to think; `None`: nobody said.
    pub think: Option<Think>,
}

/// What belongs to the model of a request.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// Its tokens, and the template in its file.
    pub vocabulary: &'a dyn Vocabulary,
    /// Its Go template.
    pub go_template: Option<&'a str>,
}

/// Why there is no prompt. The sentences go to clients.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// The template in the GGUF refuses these messages, or fails.
    #[error("{0}")]
    Refused(String),
    /// A Go template or a renderer fails.
    #[error("{0}")]
    Failed(String),
    /// The model has no way to fill a gap.
    #[error("{0} does not support insert")]
    NoInsert(String),
}

fn failed(error: impl std::fmt::Display) -> TemplateError {
    TemplateError::Failed(error.to_string())
}

/// A Go template and what is read off it.
struct GoTemplate {
    template: gotemplate::Template,
    tags: Tags,
}

impl GoTemplate {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let template = gotemplate::Template::parse(text).map_err(failed)?;
        Ok(Self { tags: Tags::of(&template), template })
    }
}

/// Templates by their text. Any thread may use them.
#[derive(Default)]
pub struct Templates {
    go: Kept<GoTemplate>,
    jinja: Kept<Template>,
}

/// The [`TEMPLATES_MAX`] that were used last, the latest at the end.
struct Kept<T>(Mutex<Vec<(String, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// Made outside of the lock, which no other request waits for: two may make the same one at the same time.
    fn get<E>(&self, text: &str, make: impl FnOnce(&str) -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(made) = self.known(text) {
            return Ok(made);
        }
        let made = Arc::new(make(text)?);
        if self.known(text).is_none() {
            let mut kept = self.lock();
            if kept.len() >= TEMPLATES_MAX {
                kept.remove(0);
            }
            kept.push((text.to_owned(), made.clone()));
        }
        Ok(made)
    }

    /// The one of this text, which is the latest now.
    fn known(&self, text: &str) -> Option<Arc<T>> {
        let mut kept = self.lock();
        let place = kept.iter().position(|(known, _)| known == text)?;
        kept.get_mut(place..)?.rotate_left(1);
        kept.last().map(|(_, made)| made.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Templates {
    /// The prompt for a conversation.
    ///
    /// # Errors
    /// What the template or the renderer says.
    pub fn conversation(&self, of: Of<'_>, writer: &Writer, talk: Talk<'_>) -> Result<String, TemplateError> {
        match writer {
            Writer::BuiltIn(name) => {
                let renderer = render::by_name(name).map_err(failed)?;
                let (messages, tools) = (talk.messages, talk.tools.unwrap_or_default());
                let today = Zoned::now().date();
                let conversation = render::Conversation { messages, tools, think: talk.think, today };
                renderer.render(&conversation).map_err(failed)
            }
            Writer::Gguf => self.jinja(of.vocabulary, talk),
            Writer::Go | Writer::Given(_) => {
                let Talk { messages, tools, think } = talk;
                let think = think.map(Think::level_text);
                self.with_go(of, writer, Values { messages, tools, prompt: "", suffix: "", think, dates: &dates() })
            }
        }
    }

    /// The prompt for what goes between two texts.
    ///
    /// # Errors
    /// As [`Templates::conversation`], and when the model has no tokens for it.
    pub fn gap(&self, of: Of<'_>, gap: &Gap, think: Option<Think>) -> Result<String, TemplateError> {
        let Gap { prompt, suffix, writer, model } = gap;
        if matches!(writer, Writer::Go | Writer::Given(_)) {
            let think = think.map(Think::level_text);
            let dates = dates();
            return self.with_go(
                of,
                writer,
                Values { messages: &[], tools: None, prompt, suffix, think, dates: &dates },
            );
        }
        match of.vocabulary.fill_in_texts() {
            Some([before, behind, answer]) => Ok([before, prompt, behind, suffix, answer].concat()),
            None => Err(TemplateError::NoInsert(model.clone())),
        }
    }

    /// The parser for an answer; `None`: it is content as it is.
    pub fn reading(&self, of: Of<'_>, reader: &Reader, asked: &Asked<'_>) -> Option<Reading> {
        match reader {
            Reader::Nobody => None,
            Reader::BuiltIn(name) => reading::built_in(name, asked),
            // A template that does not parse was an error before.
            Reader::Go => reading::go(&self.model_go(of).ok()?.tags, asked),
            Reader::Gguf => reading::jinja(of.vocabulary.chat_template().unwrap_or(CHATML), asked),
        }
    }

    fn model_go(&self, of: Of<'_>) -> Result<Arc<GoTemplate>, TemplateError> {
        self.go.get(of.go_template.unwrap_or(DEFAULT_TEMPLATE), GoTemplate::parse)
    }

    /// A template of a request is not kept: it would push out those of models.
    fn with_go(&self, of: Of<'_>, writer: &Writer, values: Values<'_>) -> Result<String, TemplateError> {
        let template = match writer {
            Writer::Given(text) => Arc::new(GoTemplate::parse(text)?),
            _ => self.model_go(of)?,
        };
        template.template.render(&values).map_err(failed)
    }

    /// An answer that has begun, in the last message, is gone on with.
    fn jinja(&self, vocabulary: &dyn Vocabulary, talk: Talk<'_>) -> Result<String, TemplateError> {
        let text = vocabulary.chat_template().unwrap_or(CHATML);
        let refused = |error: &dyn std::fmt::Display| TemplateError::Refused(error.to_string());
        let template = self.jinja.get(text, Template::compile).map_err(|error| refused(&error))?;
        let tools = talk.tools.filter(|tools| !tools.is_empty()).map(json::to_vec);
        let tools = tools.transpose().map_err(failed)?.map(|tools| String::from_utf8_lossy(&tools).into_owned());
        let rendered = |messages: &[Message], add_generation_prompt: bool| {
            let messages = openai::messages(messages).map_err(failed)?;
            let options = RenderOptions {
                bos: vocabulary.bos_text(),
                eos: vocabulary.eos_text(),
                add_generation_prompt,
                enable_thinking: talk.think.map(Think::wanted),
                reasoning_effort: talk.think.and_then(Think::level),
                tools: tools.as_deref(),
                now: None,
            };
            template.render(&messages, &options).map_err(|error| refused(&error))
        };
        let Some((last, before)) = talk.messages.split_last() else { return rendered(talk.messages, true) };
        if last.role != "assistant" || !last.tool_calls.is_empty() {
            return rendered(talk.messages, true);
        }
        let continued = || {
            let with_start = rendered(before, true)?;
            if last.content.is_empty() {
                return Ok(with_start);
            }
            Ok(go_on(&rendered(before, false)?, &with_start, text, &last.content))
        };
        // Many templates cannot do without a first message.
        if before.is_empty() {
            continued().or_else(|_: TemplateError| rendered(talk.messages, true))
        } else {
            continued()
        }
    }
}

/// A prompt that ends inside an answer, as llama.cpp makes it: what the template puts in front of an answer, with empty
/// thinking where it knows any, then the answer so far.
fn go_on(without_start: &str, with_start: &str, template: &str, content: &str) -> String {
    let same = without_start.bytes().zip(with_start.bytes()).take_while(|(a, b)| a == b).count();
    let mut start = String::from_utf8_lossy(with_start.as_bytes().get(same..).unwrap_or_default()).into_owned();
    if let Some((open, close)) = reading::jinja_thinking(template) {
        start.truncate(start.find(open).unwrap_or(start.len()));
        start.push_str(open);
        start.push_str(close);
    }
    [without_start, &start, content].concat()
}

/// The days of now.
fn dates() -> Dates {
    let now = Zoned::now();
    let yesterday = now.checked_sub(1.day()).unwrap_or_else(|_| now.clone());
    Dates { today: now.date().to_string(), yesterday: yesterday.date().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::synthetic::SyntheticVocabulary;

    fn talk(messages: &[Message]) -> Talk<'_> {
        Talk { messages, tools: None, think: None }
    }

    fn message(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned(), ..Message::default() }
    }

    #[test]
    fn every_writer_writes() {
        let templates = Templates::default();
        let messages = [message("system", "S"), message("user", "a")];
        let of = Of { vocabulary: &SyntheticVocabulary, go_template: Some("{{ .System }}|{{ .Prompt }}:") };
        for (writer, of, prompt) in [
            (Writer::Go, of, "S|a:"),
            (Writer::Go, Of { go_template: None, ..of }, "a"),
            (Writer::Given("{{ range .Messages }}{{ .Role }} {{ end }}".into()), of, "system user "),
            (
                Writer::Gguf,
                of,
                "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n",
            ),
        ] {
            assert_eq!(templates.conversation(of, &writer, talk(&messages)).as_deref(), Ok(prompt), "{writer:?}");
        }
        let olmo = templates.conversation(of, &Writer::BuiltIn("olmo3".into()), talk(&messages)).expect("a prompt");
        assert!(olmo.contains("<|im_start|>user\na"), "{olmo}");
        for writer in [Writer::BuiltIn("nope".into()), Writer::Given("{{ if }}".into())] {
            let error = templates.conversation(of, &writer, talk(&messages)).expect_err("no prompt");
            assert!(matches!(error, TemplateError::Failed(_)), "{error}");
        }
        assert_eq!(templates.go.0.lock().expect("no panics").len(), 2, "the model's and the default, each once");
    }

    #[test]
    fn an_answer_is_gone_on_with() {
        for (template, want) in [("", "U:A:pre"), ("</think>", "U:A:<think></think>pre")] {
            assert_eq!(go_on("U:", "U:A:<think>\n".trim_end_matches("<think>\n"), template, "pre"), want);
        }
        assert_eq!(go_on("U:", "U:A:<think>\n", "</think>", "pre"), "U:A:<think></think>pre");
        let templates = Templates::default();
        let of = Of { vocabulary: &SyntheticVocabulary, go_template: None };
        for (content, end) in [("pre", "<|im_start|>assistant\npre"), ("", "<|im_start|>assistant\n")] {
            let messages = [message("user", "a"), message("assistant", content)];
            let prompt = templates.conversation(of, &Writer::Gguf, talk(&messages)).expect("a prompt");
            assert!(prompt.ends_with(end), "{prompt}");
        }
        let alone = templates.conversation(of, &Writer::Gguf, talk(&[message("assistant", "pre")]));
        assert_eq!(alone.as_deref(), Ok("<|im_start|>assistant\npre"));
    }

    #[test]
    fn a_gap_is_filled_by_a_template_or_by_tokens() {
        let templates = Templates::default();
        let of = Of { vocabulary: &SyntheticVocabulary, go_template: Some("<{{ .Prompt }}_{{ .Suffix }}>") };
        let gap = |writer| Gap { prompt: "a".into(), suffix: "b".into(), writer, model: "h/n/m:t".into() };
        assert_eq!(templates.gap(of, &gap(Writer::Go), None).as_deref(), Ok("<a_b>"));
        let given = gap(Writer::Given("{{ .Suffix }}{{ .Prompt }}".into()));
        assert_eq!(templates.gap(of, &given, None).as_deref(), Ok("ba"));
        assert_eq!(templates.gap(of, &gap(Writer::Gguf), None), Err(TemplateError::NoInsert("h/n/m:t".into())));
    }
}
