//! The tags around thinking, read off a template (the behaviour page, section 7.5).

use super::Template;
use super::tree::{Branch, Node, Operand, Pipe, Term};

impl Template {
    /// What the template writes around the thinking of earlier messages, such as `<think>` and `</think>`: the first and
    /// the last text of the list in which `.Thinking` stands, inside a `range` over the messages. `None` where one of the
    /// two is missing.
    pub fn thinking_tags(&self) -> Option<(String, String)> {
        let mut search = Search::default();
        search.list(self.nodes());
        let Search { opening, closing, .. } = search;
        (!opening.is_empty() && !closing.is_empty()).then_some((opening, closing))
    }
}

#[derive(Default)]
struct Search<'t> {
    /// What the ranges around the place go through.
    ranges: Vec<&'t Pipe>,
    opening: String,
    closing: String,
}

impl<'t> Search<'t> {
    /// Recursion is as deep as the template, which its parser bounds.
    fn list(&mut self, nodes: &'t [Node]) {
        for node in nodes {
            match node {
                Node::Action(pipe) => self.pipe(pipe, nodes),
                Node::If(branch) | Node::With(branch) => self.branch(branch, nodes),
                Node::Range(branch) => {
                    self.ranges.push(&branch.pipe);
                    self.branch(branch, nodes);
                    self.ranges.pop();
                }
                Node::Template(invocation) => self.pipe(&invocation.pipe, nodes),
                Node::Text(_) | Node::Break | Node::Continue => {}
            }
        }
    }

    fn branch(&mut self, branch: &'t Branch, around: &'t [Node]) {
        self.pipe(&branch.pipe, around);
        self.list(&branch.list);
        self.list(branch.otherwise.as_deref().unwrap_or_default());
    }

    /// `around`: the list in which the pipeline stands.
    fn pipe(&mut self, pipe: &Pipe, around: &[Node]) {
        let over_messages = self.ranges.last().is_some_and(|range| mentions(range, "Messages"));
        if !over_messages || !mentions(pipe, "Thinking") {
            return;
        }
        if let Some(Node::Text(text)) = around.first() {
            String::from_utf8_lossy(text).trim().clone_into(&mut self.opening);
        }
        if let Some(Node::Text(text)) = around.last() {
            String::from_utf8_lossy(text).trim().clone_into(&mut self.closing);
        }
    }
}

/// Whether a field of the dot that begins with `name` is an operand of the pipeline.
fn mentions(pipe: &Pipe, name: &str) -> bool {
    let is_it = |operand: &Operand| match &operand.term {
        Term::Field(names) => names.first().is_some_and(|first| **first == *name),
        Term::Pipe(pipe) => mentions(pipe, name),
        _ => false,
    };
    pipe.commands.iter().flat_map(|command| &command.operands).any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(template: &str) -> Option<(String, String)> {
        Template::parse(template).unwrap().thinking_tags()
    }

    /// The templates for which Ollama's own code inferred tags, or none.
    #[test]
    fn tags_are_those_that_were_recorded() {
        let rows = include_str!("../../../tests/data/goldens/generic.jsonl");
        let mut seen = 0;
        for row in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let Some(template) = row["template"].as_str() else { continue };
            let text = |key: &str| row["want"][key].as_str().unwrap_or_default().to_owned();
            let want = (text("think_open"), text("think_close"));
            let want = Some(want).filter(|(open, close)| !open.is_empty() && !close.is_empty());
            assert_eq!(tags(template), want, "{template}");
            seen += 1;
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn the_range_and_the_list_around_decide() {
        let inside = "{{ range .Messages }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}";
        assert_eq!(tags(inside), Some(("<t>".to_owned(), "</t>".to_owned())));
        assert_eq!(tags("{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}"), None);
        assert_eq!(tags(&inside.replace("Messages", "Tools")), None);
        assert_eq!(tags(&inside.replace("</t>", "")), None);
    }
}
