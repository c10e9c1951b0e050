//! OpenAI's API as servers speak it: bodies of chat and completions, lines of SSE, and the object of embeddings.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Ask, Broken, Said};
use crate::prompts::Prompt;

/// The body of `/v1/completions`.
pub fn completions(ask: &Ask, prompt: &Prompt, max_tokens: u32) -> Value {
    json!({
        "model": ask.model, "prompt": prompt.text(), "stream": true, "stream_options": {"include_usage": true},
        "max_tokens": max_tokens, "temperature": 0, "seed": 1
    })
}

/// The body of `/v1/chat/completions`.
pub fn chat(ask: &Ask, prompt: &Prompt, max_tokens: u32) -> Value {
    json!({
        "model": ask.model, "messages": prompt.messages, "stream": true, "stream_options": {"include_usage": true},
        "max_tokens": max_tokens, "temperature": 0, "seed": 1
    })
}

/// An event of a stream, as far as it counts. Some servers tell the usage with every event.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default, borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    delta: Option<Delta<'a>>,
    finish_reason: Option<IgnoredAny>,
}

/// What a chat event adds. The names of thinking differ: `reasoning_content` (llama-server, vLLM), `reasoning` (Ollama).
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default, borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    reasoning: Option<Cow<'a, str>>,
    tool_calls: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

impl Choice<'_> {
    fn brings_text(&self) -> bool {
        let is_text = |text: &Option<Cow<str>>| text.as_ref().is_some_and(|text| !text.is_empty());
        let delta = |delta: &Delta| {
            is_text(&delta.content)
                || is_text(&delta.reasoning_content)
                || is_text(&delta.reasoning)
                || delta.tool_calls.is_some()
        };
        is_text(&self.text) || self.delta.as_ref().is_some_and(delta)
    }
}

/// Reads a line of a stream (the SSE page of the HTML standard, 9.2.5): `data:` lines count, comments and names do not.
pub fn line(line: &[u8]) -> Result<Said, Broken> {
    let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
        return if line.starts_with(b"error:") { Err(Broken) } else { Ok(Said::default()) };
    };
    if data == b"[DONE]" {
        return Ok(Said { end: true, ..Said::default() });
    }
    let chunk: Chunk = serde_json::from_slice(data).map_err(|_| Broken)?;
    if chunk.error.is_some() {
        return Err(Broken);
    }
    let token = chunk.choices.iter().any(Choice::brings_text);
    let (output, prompt) = chunk.usage.map_or((None, None), |usage| (usage.completion_tokens, usage.prompt_tokens));
    let end = chunk.choices.iter().any(|choice| choice.finish_reason.is_some());
    Ok(Said { token, end, output, prompt, ..Said::default() })
}

/// The answer of `/v1/embeddings`, as far as it counts.
#[derive(Deserialize)]
struct Embeddings {
    data: Vec<IgnoredAny>,
    usage: Option<Usage>,
}

/// Reads the answer of embeddings.
pub fn embeddings(body: &[u8]) -> Result<Said, Broken> {
    let found: Embeddings = serde_json::from_slice(body).map_err(|_| Broken)?;
    let prompt = found.usage.and_then(|usage| usage.prompt_tokens);
    Ok(Said { end: true, prompt, vectors: found.data.len() as u64, ..Said::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_streams() {
        let token = Ok(Said { token: true, ..Said::default() });
        let nothing = Ok(Said::default());
        let end = Ok(Said { end: true, ..Said::default() });
        let counts = |token, output, prompt| Ok(Said { token, output, prompt, ..Said::default() });
        let table = [
            (r#"data: {"choices":[{"index":0,"text":"a"}]}"#, token),
            (r#"data: {"choices":[{"index":0,"text":""}]}"#, nothing),
            (r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#, nothing),
            (r#"data: {"choices":[{"delta":{"role":"assistant","content":null}}]}"#, nothing),
            (r#"data:{"choices":[{"delta":{"content":"a"}}],"usage":null}"#, token),
            (r#"data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, token),
            (r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, token),
            (r#"data: {"choices":[{"delta":{},"finish_reason":null}]}"#, nothing),
            (r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#, end),
            (
                r#"data: {"choices":[],"usage":{"completion_tokens":3,"prompt_tokens":8}}"#,
                counts(false, Some(3), Some(8)),
            ),
            (
                r#"data: {"choices":[{"text":"a"}],"usage":{"completion_tokens":1,"prompt_tokens":8}}"#,
                counts(true, Some(1), Some(8)),
            ),
            ("data: [DONE]", end),
            (": ping", nothing),
            ("event: x", nothing),
            (r#"data: {"error":{"message":"x"}}"#, Err(Broken)),
            (r#"error: {"message":"x"}"#, Err(Broken)),
            ("data: {", Err(Broken)),
        ];
        for (text, want) in table {
            assert_eq!(line(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn embeddings_count_vectors() {
        let body =
            br#"{"object":"list","data":[{"embedding":[0.5]},{"embedding":"AAA="}],"usage":{"prompt_tokens":4}}"#;
        assert_eq!(embeddings(body), Ok(Said { end: true, prompt: Some(4), vectors: 2, ..Said::default() }));
        assert_eq!(embeddings(b"{}"), Err(Broken));
    }
}
