//! The tags around thinking and calls, read off the shape of a Go template (the behaviour page, sections 2.5 and 7.5).

use super::gotemplate::Template;
use super::gotemplate::tree::{Branch, Node, Operand, Pipe, Term};

/// What a template shows about the answers of its model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// In front of thinking; empty where it cannot be told.
    pub think_open: String,
    /// Behind it.
    pub think_close: String,
    /// In front of calls: `{` where nothing else can be told.
    pub call: String,
}

impl Tags {
    /// Reads them off a template.
    pub fn of(template: &Template) -> Self {
        let (think_open, think_close) = template.thinking_tags().unwrap_or_default();
        Self { think_open, think_close, call: call_tag(template.nodes()) }
    }

    /// Whether thinking can be told from the answer.
    pub fn thinks(&self) -> bool {
        !self.think_open.is_empty() && !self.think_close.is_empty()
    }
}

/// The first text in the branch for calls, up to the JSON.
fn call_tag(nodes: &[Node]) -> String {
    let text = calls_branch(nodes).and_then(|branch| first_text(&branch.list).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let tag = text.split('{').next().unwrap_or_default().trim();
    if tag.is_empty() { "{".to_owned() } else { tag.to_owned() }
}

/// The first `{{ if .ToolCalls }}`.
fn calls_branch(nodes: &[Node]) -> Option<&Branch> {
    nodes.iter().find_map(|node| match node {
        Node::If(branch) if tests_calls(&branch.pipe) => Some(branch),
        Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
            calls_branch(&branch.list).or_else(|| calls_branch(branch.otherwise.as_deref()?))
        }
        _ => None,
    })
}

fn tests_calls(pipe: &Pipe) -> bool {
    let is_calls = |operand: &Operand| matches!(&operand.term, Term::Field(fields) if fields.iter().any(|field| &**field == "ToolCalls"));
    pipe.commands.iter().flat_map(|command| &command.operands).any(is_calls)
}

/// The text that comes first, or an error where something else is printed before it.
fn first_text(nodes: &[Node]) -> Result<&[u8], Stopped> {
    for node in nodes {
        match node {
            Node::Text(text) if text.trim_ascii().is_empty() => {}
            Node::Text(text) => return Ok(text),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                return first_text(&branch.list)
                    .or_else(|_| first_text(branch.otherwise.as_deref().unwrap_or_default()));
            }
            Node::Action(_) => return Err(Stopped),
            Node::Template(_) | Node::Break | Node::Continue => {}
        }
    }
    Err(Stopped)
}

/// There is no text before what is printed.
struct Stopped;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;

    /// The templates of `generic.jsonl`, and what Ollama read off them.
    #[test]
    fn golden_tags() {
        let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/goldens"));
        let folder = std::env::var_os("GOLDENS_DIR").map_or(default, PathBuf::from);
        let text = std::fs::read_to_string(folder.join("generic.jsonl")).expect("the goldens are there");
        let mut rows = 0;
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).expect("a row is JSON");
            let template = Template::parse(row["template"].as_str().expect("a template")).expect("it parses");
            let tags = Tags::of(&template);
            let got = serde_json::json!([tags.call, tags.think_open, tags.think_close]);
            let want = &row["want"];
            assert_eq!(got, serde_json::json!([want["tag"], want["think_open"], want["think_close"]]), "{line}");
            rows += 1;
        }
        assert!(rows > 0, "there are rows");
    }

    #[test]
    fn a_call_begins_with_the_text_of_its_branch() {
        for (template, tag) in [
            ("{{ if .ToolCalls }}<tool_call>{\"name\"{{ end }}", "<tool_call>"),
            (
                "{{ range .Messages }}{{ if .Content }}x{{ else if .ToolCalls }}\r\n[CALLS]\r\n[{{ end }}{{ end }}",
                "[CALLS]\n[",
            ),
            ("{{ if .ToolCalls }} {{ range .ToolCalls }}{\"name\": {{ .Function.Name }}}{{ end }}{{ end }}", "{"),
            ("{{ if .ToolCalls }}{{ .Content }}<tool_call>{{ end }}", "{"),
            ("{{ if (.ToolCalls) }}<tool_call>{{ end }}", "{"),
            ("{{ .Prompt }}", "{"),
        ] {
            assert_eq!(Tags::of(&Template::parse(template).expect(template)).call, tag, "{template}");
        }
    }
}
