//! One row's verdict.

use serde_json::Value;

use crate::play::Got;
use crate::rows::{Body, Free, Row};
use crate::streams;
use crate::values::{Differences, settle, settle_text};

/// What differs between the recorded answer and this one; nothing when the row passes.
pub fn judge(row: &Row, got: &Got, free: Option<Free>) -> Vec<String> {
    if free == Some(Free::All) {
        return if got.status < 500 {
            Vec::new()
        } else {
            vec![format!("status {}, expected less than 500", got.status)]
        };
    }
    let mut differences = Differences { loose: &row.request.loose, found: Vec::new() };
    if row.answer.status != got.status {
        differences.found.push(format!("status {}, expected {}", got.status, row.answer.status));
    }
    let content_type = got.header("content-type").unwrap_or_default();
    if row.answer.content_type != content_type {
        let expected = &row.answer.content_type;
        differences.found.push(format!("content type {content_type:?}, expected {expected:?}"));
    }
    compare_headers(row, got, &mut differences.found);
    match Body::read(&row.answer.body, &got.body) {
        Ok(_) if free == Some(Free::Body) => {}
        Ok(body) => compare_bodies(row, body, &mut differences),
        Err(why) => differences.found.push(why),
    }
    if !differences.found.is_empty() {
        let sent = String::from_utf8_lossy(&got.body);
        differences.found.push(format!("the body: {}", sent.chars().take(400).collect::<String>()));
    }
    differences.found
}

/// The headers that the recording kept: each must be there, and no other of their kind.
fn compare_headers(row: &Row, got: &Got, found: &mut Vec<String>) {
    let items = |value: &str| value.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    for (name, expected) in &row.answer.headers {
        match got.header(name) {
            None => found.push(format!("header {name} is missing, expected {expected:?}")),
            Some(value) if items(value) != items(expected) => {
                found.push(format!("header {name}: {value:?}, expected {expected:?}"));
            }
            Some(_) => {}
        }
    }
    let is_kept = |name: &str| name == "allow" || name == "vary" || name.starts_with("access-control-");
    for (name, value) in &got.headers {
        if is_kept(name) && !row.answer.headers.contains_key(name) {
            found.push(format!("header {name}: {value:?} is not expected"));
        }
    }
}

fn compare_bodies(row: &Row, mut got: Body, differences: &mut Differences<'_>) {
    let mut expected = row.answer.body.clone();
    expected.settle();
    got.settle();
    match (&expected, &got) {
        (Body::Json(expected), Body::Json(got)) => differences.compare("$", expected, got),
        (Body::Lines(expected), Body::Lines(got)) | (Body::Events(expected), Body::Events(got)) => {
            streams::compare(&row.request.path, expected, got, differences);
        }
        (Body::Text(expected), Body::Text(got)) if expected == got => {}
        _ => differences.found.push(format!("expected {expected:?}\n      got      {got:?}")),
    }
}

impl Body {
    /// Reads a body as the kind that `like` is.
    fn read(like: &Body, bytes: &[u8]) -> Result<Body, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("the body is no text: {error}"))?;
        let json =
            |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("no JSON: {error}: {text}"));
        match like {
            Body::Json(_) => json(text).map(Body::Json),
            Body::Lines(_) => text.lines().map(json).collect::<Result<_, _>>().map(Body::Lines),
            Body::Events(_) => Ok(Body::Events(events(text))),
            Body::Text(_) => Ok(Body::Text(text.to_owned())),
        }
    }

    fn settle(&mut self) {
        match self {
            Body::Json(value) => settle(value, true),
            Body::Lines(events) | Body::Events(events) => events.iter_mut().for_each(|event| settle(event, false)),
            Body::Text(text) => *text = settle_text(text),
        }
    }
}

/// Server-sent events as the recording has them. Data that is no JSON is a string.
fn events(text: &str) -> Vec<Value> {
    let event = |block: &str| {
        let mut event = serde_json::Map::new();
        for (name, value) in block.lines().filter_map(|line| line.split_once(':')) {
            let value = value.strip_prefix(' ').unwrap_or(value);
            let value =
                if name == "data" { serde_json::from_str(value).ok() } else { None }.unwrap_or_else(|| value.into());
            event.insert(name.to_owned(), value);
        }
        Value::Object(event)
    };
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answer: &str) -> Row {
        let row = format!(r#"{{"n":1,"id":"a/b","request":{{"method":"GET","path":"/"}},"answer":{answer}}}"#);
        serde_json::from_str(&row).expect(answer)
    }

    fn got(status: u16, headers: &[(&str, &str)], body: &str) -> Got {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Got { status, headers, body: body.into() }
    }

    #[test]
    fn status_type_headers_and_body_count() {
        let row = row(r#"{"status":405,"content_type":"text/plain","headers":{"vary":"A, B"},"text":"no"}"#);
        let kind = ("content-type", "text/plain");
        assert_eq!(judge(&row, &got(405, &[kind, ("vary", "A,B")], "no"), None), [""; 0]);
        let wrong = [
            got(404, &[kind, ("vary", "A, B")], "no"),
            got(405, &[("vary", "A, B")], "no"),
            got(405, &[kind, ("vary", "B, A")], "no"),
            got(405, &[kind], "no"),
            got(405, &[kind, ("vary", "A, B"), ("allow", "GET")], "no"),
            got(405, &[kind, ("vary", "A, B")], "yes"),
        ];
        for got in wrong {
            assert_eq!(judge(&row, &got, None).len(), 2, "{got:?}");
        }
    }

    #[test]
    fn of_free_rows_only_the_kind_counts() {
        let row = row(r#"{"status":400,"content_type":"a","headers":{},"json":{"error":"x"}}"#);
        let kind = [("content-type", "a")];
        assert_eq!(judge(&row, &got(400, &kind, r#"{"error":"y"}"#), Some(Free::Body)), [""; 0]);
        assert_eq!(judge(&row, &got(400, &kind, "y"), Some(Free::Body)).len(), 2);
        assert_eq!(judge(&row, &got(200, &kind, "y"), Some(Free::All)), [""; 0]);
        assert_eq!(judge(&row, &got(500, &kind, "y"), Some(Free::All)).len(), 1);
    }

    #[test]
    fn events_are_read() {
        let read = events("event: a\ndata: {\"x\":1}\n\ndata: [DONE]\n\n");
        assert_eq!(read, [serde_json::json!({"event": "a", "data": {"x": 1}}), serde_json::json!({"data": "[DONE]"})]);
    }
}
