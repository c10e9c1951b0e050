//! Routes of ollama.com's accounts and services (the behaviour page, section 1.1). This server has none of them: each
//! answers as an Ollama that is not signed in.

use serde::Serialize;

use crate::api::App;
use crate::api::answer::Answer;
use crate::config::env::CloudSwitch;

/// What a client wants of ollama.com.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `/api/me`: whose account it is.
    Account,
    /// `/api/signout` and the route that removes a key.
    SignOut,
    /// `/api/experimental/web_search`
    WebSearch,
    /// `/api/experimental/web_fetch`
    WebFetch,
}

#[derive(Serialize)]
struct StatusReply {
    cloud: CloudStatus,
}

#[derive(Serialize)]
struct CloudStatus {
    disabled: bool,
    source: &'static str,
}

#[derive(Serialize)]
struct RecommendationsReply {
    recommendations: [(); 0],
}

/// `GET /api/status`: whether models of ollama.com were switched off, and by whom.
pub fn status(app: &App) -> Answer {
    let CloudSwitch { env, config } = app.settings.cloud_off;
    let source = match (env, config) {
        (false, false) => "none",
        (true, false) => "env",
        (false, true) => "config",
        (true, true) => "both",
    };
    Answer::json(&StatusReply { cloud: CloudStatus { disabled: env || config, source } })
}

/// `GET /api/experimental/model-recommendations`: we recommend none.
pub fn recommendations() -> Answer {
    Answer::json(&RecommendationsReply { recommendations: [] })
}

/// The answer of a service that is not here.
pub fn refuse(service: Service, body: &[u8]) -> Answer {
    let searches = matches!(service, Service::WebSearch | Service::WebFetch);
    if searches && body.trim_ascii().is_empty() {
        return Answer::error(400, "missing request body");
    }
    match service {
        Service::Account => Answer::error(503, "account unavailable"),
        Service::SignOut => Answer::error(401, "you are not currently signed in"),
        Service::WebSearch => Answer::error(403, "ollama cloud is disabled: web search is unavailable"),
        Service::WebFetch => Answer::error(403, "ollama cloud is disabled: web fetch is unavailable"),
    }
}
