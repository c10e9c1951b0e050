//! Ollama's own API: bodies of generate and chat, lines of NDJSON, and the object of embed.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Ask, Broken, Said};
use crate::prompts::Prompt;

fn options(max_tokens: u32) -> Value {
    json!({"num_predict": max_tokens, "temperature": 0, "seed": 1})
}

/// The body of `/api/generate`.
pub fn generate(ask: &Ask, prompt: &Prompt, max_tokens: u32) -> Value {
    let mut body = json!({"model": ask.model, "prompt": prompt.text(), "stream": true, "options": options(max_tokens)});
    if ask.raw {
        body["raw"] = json!(true);
    }
    body
}

/// The body of `/api/chat`.
pub fn chat(ask: &Ask, prompt: &Prompt, max_tokens: u32) -> Value {
    json!({"model": ask.model, "messages": prompt.messages, "stream": true, "options": options(max_tokens)})
}

/// An event of Ollama's streams, as far as it counts.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    done: bool,
    eval_count: Option<u64>,
    prompt_eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

/// Reads a line of generate or chat.
pub fn line(line: &[u8]) -> Result<Said, Broken> {
    match serde_json::from_slice::<Line>(line) {
        Err(_) | Ok(Line { error: Some(_), .. }) => Err(Broken),
        Ok(Line { done: false, .. }) => Ok(Said { token: true, ..Said::default() }),
        Ok(last) => Ok(Said { end: true, output: last.eval_count, prompt: last.prompt_eval_count, ..Said::default() }),
    }
}

/// The answer of `/api/embed`, as far as it counts.
#[derive(Deserialize)]
struct Embeddings {
    embeddings: Vec<IgnoredAny>,
    prompt_eval_count: Option<u64>,
}

/// Reads the answer of embed.
pub fn embeddings(body: &[u8]) -> Result<Said, Broken> {
    let found: Embeddings = serde_json::from_slice(body).map_err(|_| Broken)?;
    let vectors = found.embeddings.len() as u64;
    Ok(Said { end: true, prompt: found.prompt_eval_count, vectors, ..Said::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_streams() {
        let token = Ok(Said { token: true, ..Said::default() });
        let end = |output, prompt| Ok(Said { end: true, output, prompt, ..Said::default() });
        let table = [
            (r#"{"model":"m","response":"a \"b\"","done":false}"#, token),
            (r#"{"message":{"role":"assistant","content":"a"},"done":false}"#, token),
            (r#"{"done":true,"prompt_eval_count":9,"eval_count":2}"#, end(Some(2), Some(9))),
            (r#"{"done":true,"done_reason":"load"}"#, end(None, None)),
            (r#"{"error":"engine \"gone\""}"#, Err(Broken)),
            ("{", Err(Broken)),
        ];
        for (text, want) in table {
            assert_eq!(line(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn embed_counts_vectors() {
        let body = br#"{"model":"m","embeddings":[[0.1,2],[3]],"prompt_eval_count":7}"#;
        assert_eq!(embeddings(body), Ok(Said { end: true, prompt: Some(7), vectors: 2, ..Said::default() }));
        assert_eq!(embeddings(b"{\"error\":\"x\"}"), Err(Broken));
    }

    #[test]
    fn bodies() {
        let ask = Ask { model: "m".to_owned(), raw: true, ..Ask::default() };
        let prompt = Prompt::with_system("be brief".to_owned(), "why?".to_owned());
        let body = generate(&ask, &prompt, 5);
        assert_eq!((&body["raw"], &body["prompt"]), (&json!(true), &json!("be brief\n\nwhy?")));
        assert_eq!(body["options"]["num_predict"], 5);
        let body = chat(&ask, &prompt, 5);
        assert_eq!(body["messages"][1], json!({"role": "user", "content": "why?"}));
    }
}
