//! The canonical form of a Modelfile: one command behind the other, quoted only where it has to be.

use std::fmt;

use crate::model::modelfile::parse::value_of;
use crate::model::modelfile::{Command, Modelfile};

impl fmt::Display for Modelfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.commands.iter().try_for_each(|command| writeln!(f, "{command}"))
    }
}

/// One command, without the end of its line.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(value) => write!(f, "FROM {}", quoted(value)),
            Self::Template(value) => write!(f, "TEMPLATE {}", quoted(value)),
            Self::System(value) => write!(f, "SYSTEM {}", quoted(value)),
            Self::License(value) => write!(f, "LICENSE {}", quoted(value)),
            Self::Adapter(value) => write!(f, "ADAPTER {}", quoted(value)),
            Self::Draft(value) => write!(f, "DRAFT {}", quoted(value)),
            Self::Renderer(value) => write!(f, "RENDERER {}", quoted(value)),
            Self::Parser(value) => write!(f, "PARSER {}", quoted(value)),
            Self::Requires(value) => write!(f, "REQUIRES {}", quoted(value)),
            Self::Parameter { name, value } => write!(f, "PARAMETER {name} {}", quoted(value)),
            Self::Message { role, content } => write!(f, "MESSAGE {role} {}", quoted(content)),
        }
    }
}

/// The value as Ollama writes it, or quoted in another way where that would read back as something else: Ollama forgets
/// the quotes around a value that starts with a quote. A value that no quoting holds (a line in it ends with three
/// quotes) is written as Ollama writes it; none that was parsed is so.
fn quoted(value: &str) -> String {
    let ways: [fn(&str) -> String; 3] =
        [str::to_owned, |value| format!("\"{value}\""), |value| format!("\"\"\"{value}\"\"\"")];
    let bare = !(value.contains('\n') || value.starts_with(' ') || value.ends_with(' '));
    let ollamas = match (bare, value.contains('"')) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 2,
    };
    let first = ways[ollamas](value);
    if reads_back(&first, value) {
        return first;
    }
    ways.iter().map(|way| way(value)).find(|written| reads_back(written, value)).unwrap_or(first)
}

/// Whether `written`, at the end of a line, is read as `value`.
fn reads_back(written: &str, value: &str) -> bool {
    value_of(written) == Some((value, written.len()))
}
