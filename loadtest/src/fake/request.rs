//! Requests as far as the fake server has to understand them: bytes in, values out.

use serde_json::Value;

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest body, uploads included.
const BODY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Longest answer of bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Most tokens of an answer.
const TOKENS_MAX: u32 = 1 << 20;
/// Tokens of an answer if neither the request nor a flag says.
const TOKENS: u32 = 64;

/// The streams that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// NDJSON of `/api/generate`.
    Generate,
    /// NDJSON of `/api/chat`.
    Chat,
    /// SSE of `/v1/chat/completions`.
    OpenaiChat,
    /// SSE of `/v1/completions`.
    OpenaiCompletions,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// A stream with so many tokens, for a prompt of so many.
    Stream(Stream, u32, u64),
    /// So many vectors, of texts with so many tokens, in OpenAI's form or Ollama's.
    Vectors(usize, u64, bool),
    /// So many bytes.
    Bytes(usize),
    /// A blob was uploaded.
    Stored,
    /// The list of models.
    Models,
    /// The book.
    Truth,
    /// A small answer to any other GET.
    Plain,
    /// Nothing that is known.
    Unknown,
}

/// Looks for a whole request at the start of `input`: its length and what it asks. Nothing as long as it is not whole.
///
/// # Errors
/// If it never will be: too long, or no HTTP.
pub fn parse(input: &[u8], tokens_max: Option<u32>) -> Result<Option<(usize, Wish)>, ()> {
    let Some(head_end) = input.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return if input.len() > HEAD_BYTES_MAX { Err(()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(input.get(..head_end).ok_or(())?).map_err(|_| ())?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or("").split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut length = 0;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok().filter(|length| *length <= BODY_BYTES_MAX).ok_or(())?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(());
        }
    }
    let end = head_end + length;
    let Some(body) = input.get(head_end..end) else { return Ok(None) };
    Ok(Some((end, wish(method, path, body, tokens_max))))
}

fn wish(method: &str, path: &str, body: &[u8], tokens_max: Option<u32>) -> Wish {
    let stream = match (method, path) {
        ("POST", "/api/generate") => Stream::Generate,
        ("POST", "/api/chat") => Stream::Chat,
        ("POST", "/v1/chat/completions") => Stream::OpenaiChat,
        ("POST", "/v1/completions") => Stream::OpenaiCompletions,
        ("POST", "/api/embed") => return vectors(body, false),
        ("POST", "/v1/embeddings") => return vectors(body, true),
        ("POST", path) if path.starts_with("/api/blobs/") => return Wish::Stored,
        ("GET", "/v1/models") => return Wish::Models,
        ("GET", "/fake/truth") => return Wish::Truth,
        ("GET", path) => {
            let bytes = path.strip_prefix("/bytes/").and_then(|bytes| bytes.parse::<usize>().ok());
            return bytes.map_or(Wish::Plain, |bytes| Wish::Bytes(bytes.min(ANSWER_BYTES_MAX)));
        }
        _ => return Wish::Unknown,
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Wish::Unknown };
    let asked = body.get("max_tokens").or_else(|| body.get("options")?.get("num_predict")).and_then(Value::as_u64);
    let asked = asked.map_or(TOKENS, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
    let tokens = asked.min(tokens_max.unwrap_or(TOKENS_MAX)).clamp(1, TOKENS_MAX);
    let prompt = body.get("prompt").or_else(|| body.get("messages")).map_or(0, text_bytes);
    Wish::Stream(stream, tokens, tokens_of(prompt))
}

fn vectors(body: &[u8], openai: bool) -> Wish {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Wish::Unknown };
    let Some(input) = body.get("input") else { return Wish::Unknown };
    let texts = input.as_array().map_or(1, Vec::len);
    Wish::Vectors(texts, tokens_of(text_bytes(input)), openai)
}

/// Bytes of all strings in a value.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.get("content").map_or(0, text_bytes),
        _ => 0,
    }
}

/// The fake tokenizer: four bytes are a token.
fn tokens_of(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str, body: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn wishes() {
        let messages = r#"{"messages":[{"role":"user","content":"12345678"}],"max_tokens":9}"#;
        let table = [
            (
                post("/api/generate", r#"{"prompt":"1234","options":{"num_predict":5}}"#),
                Wish::Stream(Stream::Generate, 5, 1),
            ),
            (post("/api/chat", r#"{"messages":[]}"#), Wish::Stream(Stream::Chat, 50, 0)),
            (post("/v1/chat/completions", messages), Wish::Stream(Stream::OpenaiChat, 9, 2)),
            (post("/v1/completions", r#"{"max_tokens":99}"#), Wish::Stream(Stream::OpenaiCompletions, 50, 0)),
            (post("/api/embed", r#"{"input":["1","2"]}"#), Wish::Vectors(2, 1, false)),
            (post("/v1/embeddings", r#"{"input":"12345"}"#), Wish::Vectors(1, 2, true)),
            (post("/api/blobs/sha256:0", "xyz"), Wish::Stored),
            (post("/api/generate", "{"), Wish::Unknown),
            (post("/else", "{}"), Wish::Unknown),
            ("GET /bytes/77 HTTP/1.1\r\n\r\n".to_owned(), Wish::Bytes(77)),
            ("GET /api/version HTTP/1.1\r\n\r\n".to_owned(), Wish::Plain),
            ("GET /v1/models HTTP/1.1\r\n\r\n".to_owned(), Wish::Models),
        ];
        for (text, want) in table {
            let whole = format!("{text}GET");
            assert_eq!(parse(whole.as_bytes(), Some(50)), Ok(Some((text.len(), want))), "{text}");
            for cut in 0..text.len() {
                assert_eq!(parse(&text.as_bytes()[..cut], Some(50)), Ok(None), "{text} cut at {cut}");
            }
        }
        assert_eq!(parse(&vec![b'x'; HEAD_BYTES_MAX + 1], None), Err(()));
        assert_eq!(parse(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", None), Err(()));
    }
}
