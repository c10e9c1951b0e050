//! The engine against templates that mean harm, and against chance. What Go and Ollama themselves make of some two
//! thousand templates is held in `tests/goldens.rs`.

mod hostile;
mod properties;
mod rounds;

use super::{Dates, RenderError, Template, Values};
use crate::model::Message;

/// A message of that role.
fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned(), ..Message::default() }
}

/// Renders `template` for these messages.
fn render(template: &str, messages: &[Message]) -> Result<String, RenderError> {
    let template = Template::parse(template).expect("a template");
    let dates = Dates { today: "2026-11-22".to_owned(), yesterday: "2026-11-21".to_owned() };
    template.render(&Values { messages, tools: None, prompt: "", suffix: "", think: None, dates: &dates })
}

/// Renders `template` in the mode in which it knows messages, and so everything else.
fn whole(template: &str) -> Result<String, RenderError> {
    render(&format!("{{{{ if .Messages }}}}{{{{ end }}}}{template}"), &[message("user", "hello")])
}

/// Templates are made once for a model and rendered by any worker.
#[test]
fn templates_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Template>();
}
