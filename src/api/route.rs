//! The route table: from a request's head to who answers it and what its body is for.

use std::borrow::Cow;
use std::sync::Arc;

use super::gate::Fields;
use super::ollama::cloud::Service;
use super::{Answer, App, BodyPlan, Handler, Route, Upload};
use crate::http::head::{Head, Method};
use crate::http::target::percent_decode;

/// A path of the API and the methods that it knows, in the order in which `Allow` lists them.
struct Entry {
    path: &'static str,
    methods: &'static [(Method, Handler)],
}

/// A row of the table.
const fn at(path: &'static str, methods: &'static [(Method, Handler)]) -> Entry {
    Entry { path, methods }
}

/// Every path without parameters.
const TABLE: &[Entry] = &[
    at("/", &[(Method::Get, Handler::Root), (Method::Head, Handler::Root)]),
    at("/api/version", &[(Method::Get, Handler::Version), (Method::Head, Handler::Version)]),
    at("/api/status", &[(Method::Get, Handler::Status)]),
    at("/api/tags", &[(Method::Get, Handler::Tags), (Method::Head, Handler::Tags)]),
    at("/api/ps", &[(Method::Get, Handler::Ps)]),
    at("/api/show", &[(Method::Post, Handler::Show { for_copilot: false })]),
    at("/api/generate", &[(Method::Post, Handler::Generate)]),
    at("/api/chat", &[(Method::Post, Handler::Chat)]),
    at("/api/create", &[(Method::Post, Handler::Create)]),
    at("/api/copy", &[(Method::Post, Handler::Copy)]),
    at("/api/delete", &[(Method::Delete, Handler::Delete)]),
    at("/api/me", &[(Method::Post, Handler::Cloud(Service::Account))]),
    at("/api/signout", &[(Method::Post, Handler::Cloud(Service::SignOut))]),
    at("/api/experimental/web_search", &[(Method::Post, Handler::Cloud(Service::WebSearch))]),
    at("/api/experimental/web_fetch", &[(Method::Post, Handler::Cloud(Service::WebFetch))]),
    at("/api/experimental/model-recommendations", &[(Method::Get, Handler::Recommendations)]),
    at("/debug/engine", &[(Method::Get, Handler::EngineCount)]),
    at("/debug/stream", &[(Method::Post, Handler::SyntheticStream)]),
];

/// A path with a parameter: what stands in front of it, and what it knows.
const BLOBS: &str = "/api/blobs/";
const BLOB_METHODS: &[Method] = &[Method::Head, Method::Post];
/// Another.
const KEYS: &str = "/api/user/keys/";
const KEY_METHODS: &[Method] = &[Method::Delete];

/// How the User-Agent of GitHub Copilot's chat begins.
const COPILOT: &[u8] = b"GitHubCopilotChat/";

/// Finds who answers a request. CORS fields for the answer go to `extra`.
///
/// # Errors
/// The answer, when no handler is needed for it.
pub fn route(app: &Arc<App>, head: &Head, bytes: &[u8], extra: &mut Fields) -> Result<Route, Answer> {
    let (path, method) = (head.path(bytes), head.method());
    app.gate.check(head, bytes, extra).map_err(|refusal| with_allow(app, path, method, refusal))?;
    if let Some(digest) = path.strip_prefix(BLOBS).and_then(segment) {
        let digest = &*digest;
        return match method {
            Method::Head => Ok(Route { plan: BodyPlan::Ignore, handler: Handler::BlobExists(digest.to_owned()) }),
            Method::Post => {
                let upload = Upload::begin(app, digest)?;
                Ok(Route { plan: BodyPlan::Upload(upload), handler: Handler::Root })
            }
            _ => Err(Answer::wrong_method(&names(BLOB_METHODS.iter()))),
        };
    }
    if path.strip_prefix(KEYS).and_then(segment).is_some() {
        return match method {
            Method::Delete => Ok(Route { plan: BodyPlan::Ignore, handler: Handler::Cloud(Service::SignOut) }),
            _ => Err(Answer::wrong_method(&names(KEY_METHODS.iter()))),
        };
    }
    let Some(methods) = methods(app, path) else {
        return Err(without_slash(app, path, method).unwrap_or_else(Answer::not_found));
    };
    let Some((_, handler)) = methods.iter().find(|(known, _)| *known == method) else {
        return Err(Answer::wrong_method(&names(methods.iter().map(|(known, _)| known))));
    };
    let mut handler = handler.clone();
    if let Handler::Show { for_copilot } = &mut handler {
        *for_copilot = head.header(bytes, "User-Agent").is_some_and(|agent| agent.starts_with(COPILOT));
    }
    let plan = if matches!(method, Method::Post | Method::Delete) { BodyPlan::Json } else { BodyPlan::Ignore };
    Ok(Route { plan, handler })
}

/// The methods of a path without parameters, if there is such a path.
fn methods(app: &App, path: &str) -> Option<&'static [(Method, Handler)]> {
    let entry = TABLE.iter().find(|entry| entry.path == path && (app.diagnostics || !path.starts_with("/debug/")))?;
    Some(entry.methods)
}

/// Sends a client that has put a slash behind a path to the path itself, as Ollama's router does.
fn without_slash(app: &App, path: &str, method: Method) -> Option<Answer> {
    let known = path.strip_suffix('/').filter(|path| !path.is_empty())?;
    methods(app, known)?.iter().find(|(known, _)| *known == method)?;
    Some(Answer::moved(if method == Method::Get { 301 } else { 307 }, known))
}

/// A refusal, or the answer to a preflight. Ollama's router has then written `Allow` where the path does not know the
/// method, before anybody else looked at the request.
fn with_allow(app: &App, path: &str, method: Method, mut refusal: Answer) -> Answer {
    let is_below = |start: &str| path.strip_prefix(start).and_then(segment).is_some();
    let known: Vec<&Method> = if is_below(BLOBS) {
        BLOB_METHODS.iter().collect()
    } else if is_below(KEYS) {
        KEY_METHODS.iter().collect()
    } else {
        methods(app, path).unwrap_or_default().iter().map(|(known, _)| known).collect()
    };
    if !known.is_empty() && !known.contains(&&method) {
        refusal.headers.push(("Allow", names(known.into_iter())));
    }
    refusal
}

/// A path segment with its escapes undone; what holds a slash then, or is no text, is no segment.
fn segment(escaped: &str) -> Option<Cow<'_, str>> {
    percent_decode(escaped).filter(|text| !text.contains('/'))
}

fn names<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let names: Vec<&str> = methods
        .map(|method| match method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Delete => "DELETE",
            _ => "POST",
        })
        .collect();
    names.join(", ")
}
