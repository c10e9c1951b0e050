//! The APIs that can be asked: what a request says, and what its answer means.

mod ollama;
mod openai;

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::prompts::Prompt;

/// Which API is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// Ollama's /api/generate, streamed
    Generate,
    /// Ollama's /api/chat, streamed
    Chat,
    /// Ollama's /api/embed
    Embed,
    /// OpenAI's /v1/chat/completions, streamed
    OpenaiChat,
    /// OpenAI's /v1/completions, streamed: llama-server speaks it too
    OpenaiCompletions,
    /// OpenAI's /v1/embeddings
    OpenaiEmbeddings,
    /// A plain GET of --path; every line of the answer counts as an event
    Http,
    /// Bytes: a GET of --path (a layer), or with --upload a POST to /api/blobs
    Blob,
}

/// How an answer's body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Lines, each an event.
    Lines,
    /// One JSON object, read at its end.
    Object,
    /// Bytes that are only counted.
    Bytes,
}

/// What a line or an object says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    /// It brings text (or a line of a plain answer).
    pub token: bool,
    /// Nothing that counts comes behind it.
    pub end: bool,
    /// Tokens of the answer, as the server counts them.
    pub output: Option<u64>,
    /// Tokens of the prompt, as the server counts them.
    pub prompt: Option<u64>,
    /// Vectors of an embedding.
    pub vectors: u64,
}

/// A line that tells of an error, or is of no known form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// What goes into every request of a run.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The model.
    pub model: String,
    /// `raw` for generate: no template around the prompt.
    pub raw: bool,
    /// Texts in one embedding request; at least 1.
    pub batch: usize,
    /// Laid over each body, objects inside it too.
    pub extra: Map<String, Value>,
}

impl Api {
    /// The name of the flag's value.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The route; nothing where `--path` names it.
    pub fn route(self) -> Option<&'static str> {
        match self {
            Self::Generate => Some("/api/generate"),
            Self::Chat => Some("/api/chat"),
            Self::Embed => Some("/api/embed"),
            Self::OpenaiChat => Some("/v1/chat/completions"),
            Self::OpenaiCompletions => Some("/v1/completions"),
            Self::OpenaiEmbeddings => Some("/v1/embeddings"),
            Self::Http | Self::Blob => None,
        }
    }

    /// Whether a model is asked.
    pub fn needs_model(self) -> bool {
        self.route().is_some()
    }

    /// Whether texts become vectors.
    pub fn embeds(self) -> bool {
        matches!(self, Self::Embed | Self::OpenaiEmbeddings)
    }

    /// Whether tokens are made.
    pub fn writes_tokens(self) -> bool {
        self.needs_model() && !self.embeds()
    }

    /// How the answer is read.
    pub fn shape(self) -> Shape {
        match self {
            Self::Blob => Shape::Bytes,
            _ if self.embeds() => Shape::Object,
            _ => Shape::Lines,
        }
    }

    /// The body for prompts: one, or `ask.batch` for embeddings. Sampling is greedy, so that runs can be compared.
    /// Nothing where no model is asked.
    pub fn body(self, ask: &Ask, prompts: &[Prompt], max_tokens: u32) -> Option<Value> {
        let first = prompts.first()?;
        let mut body = match self {
            Self::Generate => ollama::generate(ask, first, max_tokens),
            Self::Chat => ollama::chat(ask, first, max_tokens),
            Self::OpenaiChat => openai::chat(ask, first, max_tokens),
            Self::OpenaiCompletions => openai::completions(ask, first, max_tokens),
            Self::Embed | Self::OpenaiEmbeddings => {
                let texts: Vec<_> = prompts.iter().map(Prompt::text).collect();
                serde_json::json!({"model": ask.model, "input": texts})
            }
            Self::Http | Self::Blob => return None,
        };
        if let Value::Object(body) = &mut body {
            lay_over(body, &ask.extra);
        }
        Some(body)
    }

    /// Reads one line of the answer, its end cut off; for [`Shape::Object`] the whole body.
    ///
    /// # Errors
    /// [`Broken`] if it tells of an error.
    pub fn read(self, line: &[u8]) -> Result<Said, Broken> {
        match self {
            _ if line.is_empty() => Ok(Said::default()),
            Self::Http => Ok(Said { token: true, ..Said::default() }),
            Self::Generate | Self::Chat => ollama::line(line),
            Self::OpenaiChat | Self::OpenaiCompletions => openai::line(line),
            Self::Embed => ollama::embeddings(line),
            Self::OpenaiEmbeddings => openai::embeddings(line),
            Self::Blob => Ok(Said::default()),
        }
    }
}

/// Puts fields into a body; objects are merged, everything else is replaced.
fn lay_over(body: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (key, value) in extra {
        match (body.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => lay_over(inner, value),
            _ => {
                body.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn extra_fields_are_laid_over() {
        let extra = json!({"options": {"num_ctx": 512, "seed": 7}, "keep_alive": "1m", "stream": false});
        let Value::Object(extra) = extra else { unreachable!() };
        let ask = Ask { model: "m".to_owned(), extra, ..Ask::default() };
        let body = Api::Generate.body(&ask, &[Prompt::user("p".to_owned())], 9).unwrap();
        let options = json!({"num_predict": 9, "temperature": 0, "seed": 7, "num_ctx": 512});
        assert_eq!((&body["options"], &body["keep_alive"], &body["stream"]), (&options, &json!("1m"), &json!(false)));
    }

    #[test]
    fn embeddings_take_several_texts() {
        let ask = Ask { model: "m".to_owned(), ..Ask::default() };
        let prompts = ["a", "b"].map(|text| Prompt::user(text.to_owned()));
        for api in [Api::Embed, Api::OpenaiEmbeddings] {
            assert_eq!(api.body(&ask, &prompts, 9).unwrap(), json!({"model": "m", "input": ["a", "b"]}));
        }
        assert_eq!(Api::Http.body(&ask, &prompts, 9), None);
    }

    #[test]
    fn plain_lines_are_events() {
        assert_eq!(Api::Http.read(b"anything"), Ok(Said { token: true, ..Said::default() }));
        assert_eq!(Api::Http.read(b""), Ok(Said::default()));
    }
}
