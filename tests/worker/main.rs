//! The worker's process, as the front uses it: real files, broken ones, too little of everything, and ends that come early.
#![cfg(feature = "llama")]

mod ends;
mod files;
mod place;
mod probe;
mod quantize;
#[allow(dead_code)] // The strategies in it are for the tests of the reader.
#[path = "../gguf/writer.rs"]
mod writer;
