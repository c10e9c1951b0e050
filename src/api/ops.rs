//! Routes for operators and measurements, served only with `--diagnostics`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::json::Request;
use super::ollama::error::ApiError;
use super::{Answer, App, Call, Outcome, json};
use crate::engine::wire::{Details, Dialect, LoadOptions, ModelRef, ReplyFormat, Submit, Synthetic, Work};
use crate::model::gguf::Footprint;

/// How long the engine may take to say what it holds.
const COUNT_WITHIN: Duration = Duration::from_secs(5);

/// What the engine and the network cores hold, as one object.
pub fn engine_count(app: Arc<App>) -> Outcome {
    Outcome::Worker(Box::new(move || {
        let Some(count) = app.engine.count(COUNT_WITHIN) else {
            return Outcome::Answer(Answer::busy("the engine is not up"));
        };
        let cores: Vec<_> = app.core_counts.iter().map(|core| core.as_json()).collect();
        Outcome::Answer(Answer::json(&serde_json::json!({
            "running": count.running,
            "waiting": count.waiting,
            "cells": count.cells,
            "slots_free": count.slots_free,
            "steps": count.steps,
            "engine_pid": app.engine.process_id(),
            "cores": cores,
        })))
    }))
}

/// Body of `/debug/stream`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamRequest {
    events: u32,
    interval_us: u32,
    text_bytes: u16,
}

impl Request for StreamRequest {
    const NAME: &'static str = "StreamRequest";
}

/// A stream of frames without a model.
pub fn synthetic_stream(mut body: Vec<u8>, call: Call) -> Outcome {
    let request: StreamRequest = match json::decode(&mut body) {
        Ok(request) => request,
        Err(error) => return Outcome::Answer(ApiError::from(error).into()),
    };
    Outcome::Engine(Box::new(Submit {
        stream: 0,
        received_ns: call.received_ns,
        model: ModelRef {
            name: "synthetic".into(),
            digest: String::new(),
            path: std::path::PathBuf::new(),
            load: LoadOptions::default(),
            details: Details::default(),
            trained_context: 0,
            footprint: Footprint::default(),
        },
        keep_alive: None,
        reply: ReplyFormat { dialect: Dialect::Generate, framing: call.framing(true), model: "synthetic".into() },
        work: Work::Synthetic(Synthetic {
            events: request.events,
            interval_us: request.interval_us,
            text_bytes: request.text_bytes,
        }),
    }))
}
