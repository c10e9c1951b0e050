//! What a model can do, worked out once.

use std::sync::OnceLock;

use crate::model::capabilities::{Formatter, Subject};

/// What a model can do, and who makes its prompts. Both depend on `OLLAMA_GO_TEMPLATE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// The `capabilities` of `show`, which requests are checked against.
    pub capabilities: Vec<String>,
    /// Who makes its prompts.
    pub formatter: Formatter,
}

impl Abilities {
    /// Whether it can do this.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }
}

/// The same for each value of `OLLAMA_GO_TEMPLATE`, worked out when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Known {
    unset: OnceLock<Abilities>,
    always: OnceLock<Abilities>,
    never: OnceLock<Abilities>,
}

impl Known {
    /// What `subject` can do.
    pub fn get(&self, subject: Subject<'_>) -> &Abilities {
        let known = match subject.go_templates {
            None => &self.unset,
            Some(true) => &self.always,
            Some(false) => &self.never,
        };
        known.get_or_init(|| Abilities { capabilities: subject.shown(), formatter: subject.formatter() })
    }
}
