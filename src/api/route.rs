//! The route table: from a request's head to who answers it and what its body is for.

use std::borrow::Cow;
use std::sync::Arc;

use super::gate::Fields;
use super::{Answer, App, BodyPlan, Handler, Route, Upload};
use crate::http::head::{Head, Method};
use crate::http::target::percent_decode;

/// A path of the API and the methods that it knows, in the order in which `Allow` lists them.
struct Entry {
    path: &'static str,
    methods: &'static [(Method, Handler)],
}

/// Every path without parameters.
const TABLE: &[Entry] = &[
    Entry { path: "/", methods: &[(Method::Get, Handler::Root), (Method::Head, Handler::Root)] },
    Entry { path: "/api/version", methods: &[(Method::Get, Handler::Version), (Method::Head, Handler::Version)] },
    Entry { path: "/api/tags", methods: &[(Method::Get, Handler::Tags), (Method::Head, Handler::Tags)] },
    Entry { path: "/api/ps", methods: &[(Method::Get, Handler::Ps)] },
    Entry { path: "/api/generate", methods: &[(Method::Post, Handler::Generate)] },
    Entry { path: "/api/chat", methods: &[(Method::Post, Handler::Chat)] },
    Entry { path: "/api/create", methods: &[(Method::Post, Handler::Create)] },
    Entry { path: "/debug/engine", methods: &[(Method::Get, Handler::EngineCount)] },
    Entry { path: "/debug/stream", methods: &[(Method::Post, Handler::SyntheticStream)] },
];

/// The one path with a parameter.
const BLOBS: &str = "/api/blobs/";

/// What it allows.
const BLOB_METHODS: &str = "HEAD, POST";

/// Finds who answers a request. CORS fields for the answer go to `extra`.
///
/// # Errors
/// The answer, when no handler is needed for it.
pub fn route(app: &Arc<App>, head: &Head, bytes: &[u8], extra: &mut Fields) -> Result<Route, Answer> {
    let path = head.path(bytes);
    app.gate.check(head, bytes, extra).map_err(|refusal| with_allow(app, path, head.method(), refusal))?;
    if let Some(digest) = path.strip_prefix(BLOBS).and_then(segment) {
        let digest = &*digest;
        return match head.method() {
            Method::Head => Ok(Route { plan: BodyPlan::Ignore, handler: Handler::BlobExists(digest.to_owned()) }),
            Method::Post => {
                let upload = Upload::begin(app, digest)?;
                Ok(Route { plan: BodyPlan::Upload(upload), handler: Handler::Root })
            }
            _ => Err(Answer::wrong_method(BLOB_METHODS)),
        };
    }
    let Some(entry) = entry(app, path) else {
        return Err(Answer::not_found());
    };
    match entry.methods.iter().find(|(method, _)| *method == head.method()) {
        Some((Method::Post, handler)) => Ok(Route { plan: BodyPlan::Json, handler: handler.clone() }),
        Some((_, handler)) => Ok(Route { plan: BodyPlan::Ignore, handler: handler.clone() }),
        None => Err(Answer::wrong_method(&allowed(entry))),
    }
}

fn entry(app: &App, path: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.path == path && (app.diagnostics || !path.starts_with("/debug/")))
}

/// A refusal, or the answer to a preflight. Ollama's router has then written `Allow` where the path does not know the
/// method, before anybody else looked at the request.
fn with_allow(app: &App, path: &str, method: Method, mut refusal: Answer) -> Answer {
    let allowed = if path.strip_prefix(BLOBS).and_then(segment).is_some() {
        (!matches!(method, Method::Head | Method::Post)).then(|| BLOB_METHODS.to_owned())
    } else {
        let unknown = |entry: &&Entry| entry.methods.iter().all(|(known, _)| *known != method);
        entry(app, path).filter(unknown).map(allowed)
    };
    refusal.headers.extend(allowed.map(|methods| ("Allow", methods)));
    refusal
}

/// A path segment with its escapes undone; what holds a slash then, or is no text, is no segment.
fn segment(escaped: &str) -> Option<Cow<'_, str>> {
    percent_decode(escaped).filter(|text| !text.contains('/'))
}

fn allowed(entry: &Entry) -> String {
    let names: Vec<&str> = entry
        .methods
        .iter()
        .map(|(method, _)| match method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            _ => "POST",
        })
        .collect();
    names.join(", ")
}
