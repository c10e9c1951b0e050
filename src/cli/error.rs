//! What can go wrong in a command. The text stands behind `Error: ` on stderr.

use std::io;
use std::path::PathBuf;

use crate::config::duration::DurationError;
use crate::config::limits;
use crate::model::modelfile::{ModelfileError, PartsError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nobody listens. Ollama's words (the behaviour page, section 9).
    #[error("could not connect to ollama server, run 'ollama serve' to start it")]
    NotRunning,
    /// The server refused a streamed request before its first event.
    #[error("{status}: {message}")]
    Refused {
        /// Status code and reason.
        status: String,
        /// The server's own text.
        message: String,
    },
    /// The server refused a plain request, or a stream ended with an error.
    #[error("{0}")]
    Server(String),
    /// The request could not be sent, or its answer not be read.
    #[error("{0}")]
    Transport(#[from] ureq::Error),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    BrokenOff(#[source] io::Error),
    /// A line of the answer passes its bound.
    #[error("a line of the answer is longer than {} bytes", limits::REPLY_LINE_BYTES)]
    LongLine,
    /// The answer is not the JSON that was asked for.
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(#[from] serde_json::Error),
    /// Writing to stdout or stderr failed.
    #[error("{0}")]
    Output(#[source] io::Error),
    /// Reading the piped prompt failed.
    #[error("reading the prompt: {0}")]
    Input(#[source] io::Error),
    /// The piped prompt passes its bound.
    #[error("the prompt is longer than {} bytes", limits::PIPED_PROMPT_BYTES)]
    LongPrompt,
    /// `run` on a terminal without a prompt.
    #[error("give a prompt or pipe one in: the interactive prompt is a later step")]
    NoPrompt,
    /// `--format` is neither `json` nor JSON.
    #[error("--format must be \"json\" or a JSON schema: {0}")]
    Format(#[source] serde_json::Error),
    /// `--keepalive` is not a duration.
    #[error("--keepalive: {0}")]
    KeepAlive(#[from] DurationError),
    /// `stop` of a model that does not exist. Ollama's words.
    #[error("couldn't find model \"{0}\" to stop")]
    NothingToStop(String),
    /// `show` with two parts. Ollama's words.
    #[error("only one of '--license', '--modelfile', '--parameters', '--system', or '--template' can be specified")]
    OnePart,
    /// `show` of a model that makes images. Ollama's words.
    #[error("image generation models are not currently supported")]
    Images,
    /// A file that a command needs cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Modelfile cannot be read as one.
    #[error(transparent)]
    Modelfile(#[from] ModelfileError),
    /// The Modelfile makes no sense.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The Modelfile that was named is not there. Ollama's words.
    #[error("specified Modelfile wasn't found")]
    NoModelfile,
    /// A folder holds no model. Ollama's words.
    #[error("no Modelfile or safetensors files found")]
    NoModelFiles,
    /// A link leads out of a model's folder.
    #[error("insecure path: {}", .0.display())]
    InsecurePath(PathBuf),
    /// `create` with a name that no model can have.
    #[error("invalid model name: {0}")]
    ModelName(String),
    /// `create --draft-quantize` without a draft model.
    #[error("--draft-quantize requires a DRAFT model")]
    NoDraft,
    /// The server could not start, or ended because it had to.
    #[error(transparent)]
    Serve(#[from] crate::cli::serve::StartError),
    /// The engine's process could not start.
    #[error("the engine: {0}")]
    Engine(#[source] io::Error),
    /// A worker got no job or could not tell how it went.
    #[error("the worker: {0}")]
    Worker(#[source] io::Error),
    /// `bench` could not measure.
    #[error("{0}")]
    Bench(String),
    /// A command that this build cannot run.
    #[error("{0} is not part of this build")]
    NotInBuild(&'static str),
}

/// Marks an error as one of writing: `write!(…).map_err(output)`.
pub fn output(error: io::Error) -> CliError {
    CliError::Output(error)
}
