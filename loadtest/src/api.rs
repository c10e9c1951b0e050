//! The APIs that can be asked: what a request says, and what a line of the answer means.

use std::borrow::Cow;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Value, json};

/// Which API is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// Ollama's `/api/generate`, streamed.
    Generate,
    /// Ollama's `/api/chat`, streamed.
    Chat,
    /// OpenAI's `/v1/completions`, streamed: llama-server speaks it too.
    OpenaiCompletions,
    /// A plain GET of `--path`; every line of the answer counts as an event.
    Http,
}

/// What a line of an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Text came.
    Token,
    /// The last event, or the one that carries the counts; `None` leaves a count as it was.
    Counts {
        /// Tokens of the answer.
        output: Option<u64>,
        /// Tokens of the prompt.
        prompt: Option<u64>,
    },
    /// The server tells of an error in mid-stream.
    Error,
    /// Nothing that counts: blank lines, the end mark.
    Nothing,
}

impl Api {
    /// The route.
    pub fn path(self) -> &'static str {
        match self {
            Self::Generate => "/api/generate",
            Self::Chat => "/api/chat",
            Self::OpenaiCompletions => "/v1/completions",
            Self::Http => "/",
        }
    }

    /// The body for a prompt; nothing where a GET is sent. Sampling is greedy, so that runs can be compared.
    pub fn body(self, model: &str, prompt: &str, max_tokens: u32) -> Option<Value> {
        let options = json!({"num_predict": max_tokens, "temperature": 0, "seed": 1});
        match self {
            Self::Generate => Some(json!({"model": model, "prompt": prompt, "stream": true, "options": options})),
            Self::Chat => {
                let messages = json!([{"role": "user", "content": prompt}]);
                Some(json!({"model": model, "messages": messages, "stream": true, "options": options}))
            }
            Self::OpenaiCompletions => Some(json!({
                "model": model, "prompt": prompt, "stream": true, "stream_options": {"include_usage": true},
                "max_tokens": max_tokens, "temperature": 0, "seed": 1
            })),
            Self::Http => None,
        }
    }

    /// Reads one line of the answer, its end cut off.
    pub fn read_line(self, line: &[u8]) -> Event {
        match self {
            _ if line.is_empty() => Event::Nothing,
            Self::Http => Event::Token,
            Self::Generate | Self::Chat => ollama_line(line),
            Self::OpenaiCompletions => openai_line(line),
        }
    }
}

/// An event of Ollama's streams, as far as it counts.
#[derive(Deserialize)]
struct OllamaLine<'a> {
    #[serde(default)]
    done: bool,
    eval_count: Option<u64>,
    prompt_eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

fn ollama_line(line: &[u8]) -> Event {
    match serde_json::from_slice::<OllamaLine>(line) {
        Err(_) | Ok(OllamaLine { error: Some(_), .. }) => Event::Error,
        Ok(OllamaLine { done: false, .. }) => Event::Token,
        Ok(last) => Event::Counts { output: last.eval_count, prompt: last.prompt_eval_count },
    }
}

/// An event of OpenAI's completions, as far as it counts.
#[derive(Deserialize)]
struct OpenaiLine<'a> {
    #[serde(default, borrow)]
    choices: Vec<OpenaiChoice<'a>>,
    usage: Option<OpenaiUsage>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct OpenaiChoice<'a> {
    #[serde(default, borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OpenaiUsage {
    completion_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

fn openai_line(line: &[u8]) -> Event {
    let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
        return if line.starts_with(b"error:") { Event::Error } else { Event::Nothing };
    };
    if data == b"[DONE]" {
        return Event::Nothing;
    }
    match serde_json::from_slice::<OpenaiLine>(data) {
        Err(_) | Ok(OpenaiLine { error: Some(_), .. }) => Event::Error,
        Ok(OpenaiLine { usage: Some(usage), .. }) => {
            Event::Counts { output: usage.completion_tokens, prompt: usage.prompt_tokens }
        }
        Ok(chunk) if chunk.choices.iter().any(|choice| !choice.text.is_empty()) => Event::Token,
        Ok(_) => Event::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_each_api() {
        let counts = |output, prompt| Event::Counts { output, prompt };
        let table = [
            (Api::Generate, r#"{"model":"m","response":"a \"b\"","done":false}"#, Event::Token),
            (Api::Generate, r#"{"done":true,"prompt_eval_count":9,"eval_count":2}"#, counts(Some(2), Some(9))),
            (Api::Generate, r#"{"done":true,"done_reason":"load"}"#, counts(None, None)),
            (Api::Chat, r#"{"message":{"role":"assistant","content":"a"},"done":false}"#, Event::Token),
            (Api::Chat, r#"{"error":"engine \"gone\""}"#, Event::Error),
            (Api::Chat, "{", Event::Error),
            (Api::Chat, "", Event::Nothing),
            (Api::OpenaiCompletions, r#"data: {"choices":[{"index":0,"text":"a"}]}"#, Event::Token),
            (Api::OpenaiCompletions, r#"data: {"choices":[{"index":0,"text":""}]}"#, Event::Nothing),
            (
                Api::OpenaiCompletions,
                r#"data: {"choices":[],"usage":{"completion_tokens":3,"prompt_tokens":8}}"#,
                counts(Some(3), Some(8)),
            ),
            (Api::OpenaiCompletions, "data: [DONE]", Event::Nothing),
            (Api::OpenaiCompletions, r#"data: {"error":{"message":"x"}}"#, Event::Error),
            (Api::OpenaiCompletions, r#"error: {"message":"x"}"#, Event::Error),
            (Api::Http, "anything", Event::Token),
        ];
        for (api, line, want) in table {
            assert_eq!(api.read_line(line.as_bytes()), want, "{line}");
        }
    }
}
