//! What Ollama's own code makes of thousands of inputs, held against ours. `GOLDENS_DIR` names another folder of rows.

use std::path::Path;

#[path = "goldens/jinja.rs"]
mod jinja;
#[path = "goldens/runner.rs"]
mod runner;
#[path = "goldens/sets.rs"]
mod sets;
#[path = "goldens/templates.rs"]
mod templates;

#[test]
fn golden_templates() {
    runner::hold(&runner::folder(), "templates.jsonl", templates::EXCEPTIONS, templates::check);
}

/// Corners of the language: what Go 1.26 and Ollama's types make of templates and values of our own.
#[test]
fn golden_go_engine() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/go_engine"));
    runner::hold(folder, "templates.jsonl", templates::ENGINE_EXCEPTIONS, templates::check);
}

#[test]
fn golden_jinja() {
    let Some(library) = jinja::Library::open() else {
        println!("jinja.jsonl: skipped, JINJA_TEMPLATES_DIR is not set");
        return;
    };
    runner::hold(&runner::folder(), "jinja.jsonl", jinja::EXCEPTIONS, |row, _| library.check(row));
}
