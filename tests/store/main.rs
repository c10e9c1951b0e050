//! The store against a folder that a real Ollama wrote, and against everything that can go wrong on disk: as a library,
//! and behind the real server.

mod blobs;
mod create;
mod faults;
mod folder;
mod from;
mod manage;
mod read;
#[path = "../serve/server.rs"]
mod server;
mod show;
mod uploads;
