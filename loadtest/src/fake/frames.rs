//! Answers as they go over the wire.

use serde_json::{Value, json};

use super::request::Stream;

/// The name of the only model.
const MODEL: &str = "fake";
/// What the clock would say.
const CREATED_AT: &str = "2025-01-01T00:00:00Z";

/// A whole answer with a length.
pub fn whole(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A whole answer of JSON.
pub fn object(status: &str, body: &Value) -> Vec<u8> {
    whole(status, "application/json", body.to_string().as_bytes())
}

/// The list of models.
pub fn models() -> Value {
    json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
}

/// The answer of an embedding.
pub fn vectors(count: usize, prompt_tokens: u64, openai: bool) -> Value {
    let vector = [0.5, -0.25, 0.125, 1.0];
    if openai {
        let one = |index| json!({"object": "embedding", "index": index, "embedding": vector});
        let data: Vec<_> = (0..count).map(one).collect();
        let usage = json!({"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens});
        json!({"object": "list", "model": MODEL, "data": data, "usage": usage})
    } else {
        json!({"model": MODEL, "embeddings": vec![vector; count], "prompt_eval_count": prompt_tokens})
    }
}

impl Stream {
    /// The head of the stream's answer.
    pub fn head(self) -> Vec<u8> {
        let kind = match self {
            Self::Generate | Self::Chat => "application/x-ndjson",
            Self::OpenaiChat | Self::OpenaiCompletions => "text/event-stream",
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes()
    }

    /// The chunk of one token. All tokens are the same word.
    pub fn token(self) -> Vec<u8> {
        let mut out = Vec::new();
        let event = match self {
            Self::Generate => {
                json!({"model": MODEL, "created_at": CREATED_AT, "response": " llama", "done": false})
            }
            Self::Chat => {
                let message = json!({"role": "assistant", "content": " llama"});
                json!({"model": MODEL, "created_at": CREATED_AT, "message": message, "done": false})
            }
            Self::OpenaiChat => {
                let choice = json!({"index": 0, "delta": {"content": " llama"}, "finish_reason": null});
                json!({"id": "fake-1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]})
            }
            Self::OpenaiCompletions => {
                let choice = json!({"index": 0, "text": " llama", "finish_reason": null});
                json!({"id": "fake-1", "object": "text_completion", "model": MODEL, "choices": [choice]})
            }
        };
        chunk(&mut out, &self.framed(&event));
        out
    }

    /// The last events, and the end of the body.
    pub fn end(self, tokens: u32, prompt_tokens: u64) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Generate | Self::Chat => {
                let last = json!({
                    "model": MODEL, "created_at": CREATED_AT, "done": true, "done_reason": "length",
                    "prompt_eval_count": prompt_tokens, "eval_count": tokens
                });
                chunk(&mut out, &self.framed(&last));
            }
            Self::OpenaiChat | Self::OpenaiCompletions => {
                let usage = json!({"completion_tokens": tokens, "prompt_tokens": prompt_tokens});
                let choice = json!({"index": 0, "delta": {}, "text": "", "finish_reason": "length"});
                chunk(&mut out, &self.framed(&json!({"id": "fake-1", "choices": [choice]})));
                chunk(&mut out, &self.framed(&json!({"id": "fake-1", "choices": [], "usage": usage})));
                chunk(&mut out, b"data: [DONE]\n\n");
            }
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }

    fn framed(self, event: &Value) -> Vec<u8> {
        match self {
            Self::Generate | Self::Chat => format!("{event}\n").into_bytes(),
            Self::OpenaiChat | Self::OpenaiCompletions => format!("data: {event}\n\n").into_bytes(),
        }
    }
}

/// Adds a chunk (RFC 9112 section 7.1).
fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Answer, Part};
    use crate::http::Decoder;
    use crate::kinds::Api;
    use crate::tally::Tally;
    use std::time::Instant;

    /// What the fake server writes is what the client reads.
    #[test]
    fn the_client_understands_every_answer() {
        let pairs = [
            (Api::Generate, Stream::Generate),
            (Api::Chat, Stream::Chat),
            (Api::OpenaiChat, Stream::OpenaiChat),
            (Api::OpenaiCompletions, Stream::OpenaiCompletions),
        ];
        let streams = pairs.map(|(api, stream)| {
            let bytes = [stream.head(), stream.token(), stream.token(), stream.end(2, 7)].concat();
            (api, bytes, (2, 2, 7, 0))
        });
        let vectors = [(Api::Embed, false), (Api::OpenaiEmbeddings, true)]
            .map(|(api, openai)| (api, object("200 OK", &vectors(3, 9, openai)), (0, 0, 9, 3)));
        for (api, bytes, want) in streams.into_iter().chain(vectors) {
            let now = Instant::now();
            let (mut tally, mut decoder) = (Tally::default(), Decoder::default());
            let mut answer = Answer::new(api, Part { intended: now, counted: true, timed: true });
            decoder.feed(&bytes, &mut |body| answer.take(body, now, &mut tally)).unwrap();
            assert!(decoder.is_done() && !decoder.closes(), "{api:?}");
            answer.finish(decoder.status(), now, &mut tally).unwrap();
            let got = tally.counted;
            assert_eq!((got.events, got.output_tokens, got.prompt_tokens, got.vectors), want, "{api:?}");
            assert_eq!((tally.differing, tally.uncounted), (0, 0), "{api:?}");
        }
    }
}
