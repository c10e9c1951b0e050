//! How a job for a worker can fail. The sentences go to clients: none names a path.

use std::io;

use crate::model::Digest;
use crate::store::BlobError;

/// Why a job did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// llama.cpp does not take the file.
    #[error("{0}")]
    Refused(String),
    /// llama.cpp ended the worker's process over the file.
    #[error("the model makes llama.cpp fail: {0}")]
    Crashed(String),
    /// It wanted more than a file of its length has a right to, or more than there is.
    #[error("the model needs more memory than a file of its size may take")]
    NoMemory,
    /// It took longer than a file of its length may take.
    #[error("the model took too long to be worked on")]
    TooSlow,
    /// Somebody killed the worker: the kernel, when memory ran out.
    #[error("the worker process was killed, perhaps because memory ran out")]
    Killed,
    /// Nobody waits for the job any more.
    #[error("the job was stopped")]
    Stopped,
    /// As many jobs wait as may.
    #[error("too many models are being worked on, please try again")]
    Busy,
    /// The blob was not uploaded, or is gone.
    #[error("the blob {0} does not exist: upload it first")]
    NoBlob(Digest),
    /// The result could not be stored.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The process could not be started or not be listened to.
    #[error("the worker process could not do its work: {0}")]
    Process(String),
}

impl WorkError {
    /// The HTTP status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(_) | Self::Crashed(_) | Self::NoMemory | Self::TooSlow | Self::NoBlob(_) => 400,
            Self::Busy => 503,
            Self::Killed | Self::Stopped | Self::Store(_) | Self::Process(_) => 500,
        }
    }
}

/// What the system says about processes and pipes; its own words name no path.
impl From<io::Error> for WorkError {
    fn from(error: io::Error) -> Self {
        Self::Process(error.kind().to_string())
    }
}
