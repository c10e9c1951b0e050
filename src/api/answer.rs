//! Answers that are whole when they are made. What the engine streams goes another way.

use std::borrow::Cow;

use super::Outcome;
use super::json;
use super::ollama::error::ApiError;

/// Content type of JSON answers, as Ollama writes it.
pub const JSON: &str = "application/json; charset=utf-8";
/// Content type of errors before the first event of a stream.
pub const BARE_JSON: &str = "application/json";
/// Content type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of a redirect's page.
pub const HTML: &str = "text/html; charset=utf-8";
/// Content type of the router's own plain texts (404 and 405).
pub const PLAIN: &str = "text/plain";
/// Content type of streams of JSON lines.
pub const NDJSON: &str = "application/x-ndjson";

/// The body of an error (the behaviour page, section 0.5).
pub fn error_body(message: &str) -> Vec<u8> {
    let mut body = b"{\"error\":".to_vec();
    // A string can always be written.
    let _ = json::append(&mut body, message);
    body.push(b'}');
    body
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `None` for empty bodies that say nothing of a type.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Cow<'static, [u8]>,
    /// Further fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// 200 with a JSON value.
    pub fn json<T: serde::Serialize>(value: &T) -> Answer {
        match json::to_vec(value) {
            Ok(body) => Answer::with(200, Some(JSON), body),
            // Only a map whose keys are no strings could do this, and no answer has one.
            Err(error) => Answer::error(500, &error.to_string()),
        }
    }

    /// Plain text.
    pub fn text(status: u16, text: &'static str) -> Answer {
        Answer::with(status, Some(TEXT), text.as_bytes())
    }

    /// 404 for a path that nobody knows (the behaviour page, section 0.7).
    pub fn not_found() -> Answer {
        Answer::with(404, Some(PLAIN), &b"404 page not found"[..])
    }

    /// A status alone.
    pub fn empty(status: u16) -> Answer {
        Answer::with(status, None, &b""[..])
    }

    /// An error in Ollama's shape, `{"error":"…"}` (the behaviour page, section 0.5).
    pub fn error(status: u16, message: &str) -> Answer {
        Answer::with(status, Some(JSON), error_body(message))
    }

    /// 503: try again in a moment.
    pub fn busy(message: &str) -> Answer {
        Answer { headers: vec![("Retry-After", "1".into())], ..Answer::error(503, message) }
    }

    /// 413: the body is above its limit.
    pub fn too_large(limit: u64) -> Answer {
        Answer::error(413, &format!("the request body is larger than {limit} bytes"))
    }

    /// 405 with the methods that the path knows (the behaviour page, section 0.7).
    pub fn wrong_method(allowed: &str) -> Answer {
        Answer {
            headers: vec![("Allow", allowed.into())],
            ..Answer::with(405, Some(PLAIN), &b"405 method not allowed"[..])
        }
    }

    /// 301 or 307 to another path, with the page that Go's net/http writes for clients that follow by hand.
    pub fn moved(status: u16, path: &str) -> Answer {
        let page = format!("<a href=\"{path}\">Moved Permanently</a>.\n\n");
        let (content_type, body) = if status == 301 { (Some(HTML), page.into_bytes()) } else { (None, Vec::new()) };
        Answer { headers: vec![("Location", path.to_owned())], ..Answer::with(status, content_type, body) }
    }

    fn with(status: u16, content_type: Option<&'static str>, body: impl Into<Cow<'static, [u8]>>) -> Answer {
        Answer { status, content_type, body: body.into(), headers: Vec::new() }
    }

    /// Lines of JSON that are all there already.
    pub fn lines(body: Vec<u8>) -> Answer {
        Answer::with(200, Some(NDJSON), body)
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Answer {
        if error.status == 503 { Answer::busy(&error.message) } else { Answer::error(error.status, &error.message) }
    }
}

impl From<ApiError> for Outcome {
    fn from(error: ApiError) -> Outcome {
        Outcome::Answer(error.into())
    }
}
