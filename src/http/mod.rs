//! HTTP/1.1 by hand: bytes in, values out. Nothing in here reads, writes or waits.
//!
//! A connection's bytes go through [`head::parse`] until a head is complete, then through a [`body::BodyDecoder`];
//! what goes back is appended to a buffer by [`response`]. [`origin`] decides who may ask at all. Rules that come
//! from RFC 9112 or RFC 9110 are quoted by section where the code obeys them.

pub mod body;
mod bytes;
pub mod date;
mod error;
mod fields;
pub mod head;
pub mod origin;
pub mod response;
pub mod target;
