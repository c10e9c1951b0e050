//! The store against a folder that a real Ollama wrote, and against everything that can go wrong on disk.

mod blobs;
mod create;
mod folder;
mod read;
