//! What Ollama's own code makes of thousands of inputs, held against ours. `GOLDENS_DIR` names another folder of rows.

use std::path::Path;

#[path = "goldens/jinja.rs"]
mod jinja;
#[path = "goldens/parsers.rs"]
mod parsers;
#[path = "goldens/renderers.rs"]
mod renderers;
#[path = "goldens/runner.rs"]
mod runner;
#[path = "goldens/sets.rs"]
mod sets;
#[path = "goldens/small.rs"]
mod small;
#[path = "goldens/templates.rs"]
mod templates;

use runner::{folder, hold};

/// Our own rows, which another folder does not have.
const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens");

#[test]
fn golden_templates() {
    hold(&folder(), "templates.jsonl", templates::EXCEPTIONS, templates::check);
}

/// Corners of the language: what Go 1.26 and Ollama's types make of templates and values of our own.
#[test]
fn golden_go_engine() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/go_engine"));
    hold(folder, "go_engine.jsonl", templates::ENGINE_EXCEPTIONS, templates::check);
}

#[test]
fn golden_renderers() {
    hold(&folder(), "renderers.jsonl", renderers::EXCEPTIONS, renderers::check);
}

#[test]
fn golden_renderers_mixed() {
    hold(Path::new(OURS), "renderers_mixed.jsonl", renderers::EXCEPTIONS, renderers::check_mixed);
}

#[test]
fn golden_parsers() {
    hold(&folder(), "parsers.jsonl", parsers::EXCEPTIONS, parsers::check);
}

/// Answers that no model should write: pieces of every grammar in any order, with what Ollama's own code made of them.
#[test]
fn golden_parsers_odd() {
    hold(Path::new(OURS), "parsers_odd.jsonl", parsers::EXCEPTIONS, parsers::check);
}

#[test]
fn golden_generic() {
    hold(&folder(), "generic.jsonl", parsers::GENERIC_EXCEPTIONS, parsers::check_generic);
}

#[test]
fn golden_jinja() {
    let Some(library) = jinja::Library::open() else {
        println!("jinja.jsonl: skipped, JINJA_TEMPLATES_DIR is not set");
        return;
    };
    hold(&folder(), "jinja.jsonl", jinja::EXCEPTIONS, |row, _| library.check(row));
}

#[test]
fn golden_modelfiles() {
    hold(&folder(), "modelfiles.jsonl", small::MODELFILES, |row, _| small::check_modelfile(row));
}

#[test]
fn golden_params() {
    hold(&folder(), "params.jsonl", small::PARAMETERS, |row, _| small::check_parameters(row));
}

#[test]
fn golden_names() {
    hold(&folder(), "names.jsonl", small::NAMES, |row, _| small::check_name(row));
}

#[test]
fn golden_durations() {
    hold(&folder(), "durations.jsonl", small::DURATIONS, |row, _| small::check_duration(row));
}
