//! Why no model was made, in Ollama's words where it has some.

use std::io;

use crate::convert::KindError;
use crate::model::gguf::GgufError;
use crate::model::modelfile::{ModelfileError, PartsError};
use crate::model::name::NameError;
use crate::model::{Digest, Name};
use crate::prompt::gotemplate::ParseError;
use crate::store::StoreError;
use crate::store::blobs::BlobError;
use crate::store::files::trouble;

/// Why no model was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// `model` or `from` is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A path in `files` is absolute, or leads upwards.
    #[error("file path must be relative")]
    Path,
    /// A digest in `files` is none.
    #[error("invalid digest format")]
    Digest,
    /// There is nothing to make it of.
    #[error("neither 'from' or 'files' was specified")]
    NoSource,
    /// Neither its name nor its first bytes tell what the file is.
    #[error("unknown type")]
    UnknownType,
    /// Its name says GGUF, its first bytes do not.
    #[error("supplied file was not in GGUF format")]
    NotGguf,
    /// The file was not uploaded before.
    #[error("the blob {0} does not exist: upload it first")]
    NoBlob(Digest),
    /// The GGUF is damaged.
    #[error(transparent)]
    Gguf(GgufError),
    /// The template is none.
    #[error("template error: {0}")]
    Template(#[from] ParseError),
    /// The `modelfile` of an older request cannot be read.
    #[error(transparent)]
    Modelfile(#[from] ModelfileError),
    /// The `modelfile` of an older request makes no sense.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The `modelfile` of an older request names a file, which only the client can read.
    #[error("the server cannot read {0:?}: upload the file to /api/blobs and write \"FROM @sha256:…\" with its digest")]
    ClientFile(String),
    /// The request of long ago that named a file of the server.
    #[error(
        "'path' is no longer supported: send the text of the Modelfile as 'modelfile', or its parts as 'from' or 'files'"
    )]
    ServerPath,
    /// A field of `info` has the wrong type.
    #[error("info field {field:?} must be a {kind}")]
    Info {
        /// Which.
        field: &'static str,
        /// What it has to be.
        kind: &'static str,
    },
    /// A quantization without a draft model that it could be for.
    #[error("--draft-quantize requires a DRAFT model")]
    NoDraft,
    /// There is no such quantization, or the weights are quantized already.
    #[error(transparent)]
    Quantization(#[from] KindError),
    /// The weights could not be tried out or converted.
    #[error("{reason}")]
    Weights {
        /// HTTP status.
        status: u16,
        /// A sentence.
        reason: String,
    },
    /// The model of `from` is not here.
    #[error("the model '{0}' is not here, and pulling what is missing is not supported yet: pull it first")]
    NotHere(Name),
    /// We cannot do that yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// The blob is there and cannot be read.
    #[error("the blob could not be read: {}", trouble(.0))]
    Read(io::Error),
    /// A layer could not be written.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The manifest could not be written, or the folder not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be put into JSON.
    #[error("a layer could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// Nobody waits for it any more.
    #[error("the request was cancelled")]
    Cancelled,
}

impl CreateError {
    /// Whether it is the server's trouble, and worth a line in its log.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Blob(_) | Self::Store(_) | Self::Json(_))
    }

    /// The HTTP status, where nothing was sent yet: 400 for what the client got wrong, 500 for our disk. Ollama answers
    /// 500 to quantizations that it does not have, too.
    pub fn status(&self) -> u16 {
        match self {
            error if error.is_ours() => 500,
            Self::Quantization(_) => 500,
            Self::Weights { status, .. } => *status,
            Self::Cancelled => 499,
            _ => 400,
        }
    }
}
