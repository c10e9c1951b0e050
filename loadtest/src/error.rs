//! Why a request has no whole answer, and why a run has no result.

use std::io;

use crate::http::HttpError;
use crate::models::ModelError;
use crate::prompts::PromptsError;

/// Why a request has no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection.
    #[error("connecting: {0}")]
    Connect(#[source] io::Error),
    /// The request could not be sent.
    #[error("writing: {0}")]
    Write(#[source] io::Error),
    /// The answer could not be read.
    #[error("reading: {0}")]
    Read(#[source] io::Error),
    /// The answer is no HTTP.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// The server refused, with the beginning of what it said.
    #[error("status {0} {1}")]
    Status(u16, String),
    /// The stream holds an error, or what is no event: the beginning of that.
    #[error("the stream told of an error, or is no stream: {0}")]
    Stream(String),
    /// The stream ended well on the wire, but without its last event.
    #[error("the stream ended before its last event")]
    Incomplete,
}

impl RequestError {
    /// The name under which it is counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Write(_) => "write",
            Self::Read(_) => "read",
            Self::Http(HttpError::Truncated) => "truncated",
            Self::Http(_) => "http",
            Self::Status(300..400, _) => "status_3xx",
            Self::Status(400..500, _) => "status_4xx",
            Self::Status(..) => "status_5xx",
            Self::Stream(_) => "stream",
            Self::Incomplete => "incomplete",
        }
    }

    /// Whether it can come from a connection that the server had closed already.
    pub fn is_closed_connection(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Read(_) | Self::Http(HttpError::Truncated))
    }
}

/// Why there is no result, or why it counts as a failure.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The URL is not of a form that is understood.
    #[error("--url {0:?} is not of the form http://host:port")]
    Url(String),
    /// The name is not known.
    #[error("{host}: {source}")]
    Resolve {
        /// The host of the URL.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No model was named, and the server names none.
    #[error("--model is missing, and {url} names none at /v1/models: {source}")]
    Model {
        /// The server.
        url: String,
        /// Why.
        source: ModelError,
    },
    /// Flags that do not go together.
    #[error("{0}")]
    Flags(String),
    /// No prompts.
    #[error(transparent)]
    Prompts(#[from] PromptsError),
    /// The runtime did not start.
    #[error("starting the runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The server hangs.
    #[error("nothing came for two minutes")]
    Stalled,
    /// The process of `--pid` cannot be read.
    #[error("process {0} has no such thread, or is not there")]
    Process(u32),
    /// The result could not be written.
    #[error("writing the result to {to}: {source}")]
    Output {
        /// The file, or the standard output.
        to: String,
        /// Why.
        source: io::Error,
    },
    /// Some requests failed.
    #[error("{errors} of {total} requests failed: {why}")]
    Failed {
        /// Without a whole answer.
        errors: u64,
        /// All of them.
        total: u64,
        /// Why, in one example.
        why: String,
    },
    /// The server did not answer before the first round or load.
    #[error("{url} does not answer: {why}")]
    Asleep {
        /// The server.
        url: String,
        /// Why.
        why: String,
    },
    /// The user has had enough.
    #[error("interrupted: the result is that of the time until then")]
    Interrupted,
    /// A condition of `--fail-if` was met, or cannot be judged.
    #[error("{0}")]
    Condition(String),
    /// A scenario cannot be read.
    #[error("{file}: {why}")]
    Scenario {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// Steps of a scenario failed.
    #[error("{failed} of {total} steps failed")]
    Steps {
        /// Those that failed.
        failed: u64,
        /// All of them.
        total: usize,
    },
    /// The fake server cannot listen.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
}
