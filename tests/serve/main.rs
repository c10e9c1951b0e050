//! Black-box tests of `llamero serve`: the real binary, real sockets, both drivers.

mod deadlines;
mod drain;
mod pipelines;
mod refused;
mod routes;
mod server;
mod streams;

#[cfg(feature = "llama")]
mod crash;
#[cfg(feature = "llama")]
mod formats;
#[cfg(feature = "llama")]
mod llamita;
#[cfg(feature = "llama")]
mod memory;
#[cfg(feature = "llama")]
mod models;
#[cfg(feature = "llama")]
mod recycle;
#[cfg(feature = "llama")]
mod text;
