//! Why a request head is refused.

use crate::config::limits::{FIELDS_MAX, HEAD_BYTES, METHOD_BYTES, TARGET_BYTES};

/// What is wrong with a head. Each sentence can go to the client as it is; the connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A byte that no method has, or no method at all (RFC 9110 section 9.1).
    #[error("the method is not a token")]
    BadMethod,
    /// RFC 9112 section 3: 501 for a method longer than any that the server knows.
    #[error("the method is longer than {METHOD_BYTES} bytes")]
    MethodTooLong,
    /// A byte that no target has, or an escape without two hex digits, or no target (RFC 9112 section 3.2).
    #[error("the request target is not a valid path or URL")]
    BadTarget,
    /// RFC 9112 section 3: 414.
    #[error("the request target is longer than {TARGET_BYTES} bytes")]
    TargetTooLong,
    /// RFC 9112 section 3.2.4: `*` is for OPTIONS.
    #[error("the request target * is for OPTIONS only")]
    StarTarget,
    /// Method and target without a version (HTTP/0.9), or something else in its place (RFC 9112 section 2.3).
    #[error("the request line does not end in a version such as HTTP/1.1")]
    BadVersion,
    /// RFC 9110 section 15.6.6.
    #[error("only HTTP/1.1 and HTTP/1.0 are spoken here")]
    OtherVersion,
    /// RFC 9112 section 2.2.
    #[error("the request head has a CR that no LF follows")]
    BareCr,
    /// RFC 9112 section 2.2 lets a server accept it; two readers that disagree are worse.
    #[error("the request head has an LF that no CR precedes")]
    BareLf,
    /// A folded line (RFC 9112 section 5.2), or whitespace after the request line (section 2.2).
    #[error("a line of the request head begins with whitespace")]
    FoldedLine,
    /// A byte that no field name has, or no name, or no colon (RFC 9110 section 5.1).
    #[error("a header line does not begin with a field name and a colon")]
    BadFieldName,
    /// RFC 9112 section 5.1.
    #[error("there is whitespace between a field name and its colon")]
    SpaceBeforeColon,
    /// A control character in a value (RFC 9110 section 5.5).
    #[error("a field value has a control character")]
    BadFieldValue,
    /// RFC 6585 section 5: 431.
    #[error("the request has more than {FIELDS_MAX} header fields")]
    TooManyFields,
    /// RFC 6585 section 5: 431.
    #[error("the request head is longer than {HEAD_BYTES} bytes")]
    HeadTooLong,
    /// RFC 9112 section 3.2: HTTP/1.1 asks for it.
    #[error("the request has no Host field")]
    MissingHost,
    /// RFC 9112 section 3.2.
    #[error("the request has more than one Host field")]
    DoubleHost,
    /// Not a name or address with an optional port (RFC 9110 section 7.2), in Host or in an absolute target.
    #[error("the host is not a name or an address with an optional port")]
    BadHost,
    /// Not one number below 2^64 (RFC 9110 section 8.6).
    #[error("Content-Length is not a number of bytes")]
    BadContentLength,
    /// Given twice. RFC 9110 section 8.6 lets a server accept equal values, this one does not.
    #[error("the request has more than one Content-Length")]
    DoubleContentLength,
    /// RFC 9112 section 6.3 rule 3: a way to smuggle requests.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    /// RFC 9112 section 6.1: HTTP/1.0 has no transfer codings.
    #[error("an HTTP/1.0 request has no Transfer-Encoding")]
    EncodingInOldVersion,
    /// RFC 9112 section 6.1: 501.
    #[error("the only transfer coding spoken here is chunked, once")]
    OtherEncoding,
}

impl HeadError {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::TooManyFields | Self::HeadTooLong => 431,
            Self::MethodTooLong | Self::OtherEncoding => 501,
            Self::OtherVersion => 505,
            _ => 400,
        }
    }
}
