//! Why an answer cannot be held to a schema.

use crate::config::limits::{ERROR_TEXT_BYTES, SCHEMA_BYTES};

/// What is wrong with a schema. The sentences go to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// Longer than the limit.
    #[error("invalid JSON schema in format: it has {bytes} bytes, and at most {SCHEMA_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A keyword, or a use of one, that no grammar can be made of.
    #[error("invalid JSON schema in format: {}", keyword_sentence(keyword, why))]
    Keyword {
        /// The keyword.
        keyword: String,
        /// What is wrong with its use; empty: the keyword itself is not supported.
        why: String,
    },
    /// It can be read, but is no schema, or nothing is valid by it.
    #[error("invalid JSON schema in format: {0}")]
    Schema(String),
    /// Its grammar takes more time or memory than the limits allow.
    #[error("invalid JSON schema in format: it is too complex: {0}")]
    TooComplex(String),
    /// The model's vocabulary cannot be used, or a thread could not be started.
    #[error("the grammar for the format could not be made: {0}")]
    Internal(String),
}

impl GrammarError {
    /// A keyword that is not supported at all.
    pub(super) fn unsupported(keyword: &str) -> Self {
        Self::Keyword { keyword: keyword.to_owned(), why: String::new() }
    }

    /// A keyword that is not supported in this use.
    pub(super) fn misused(keyword: &str, why: impl Into<String>) -> Self {
        Self::Keyword { keyword: keyword.to_owned(), why: why.into() }
    }

    /// Makes sense of what llguidance says of a schema.
    pub(super) fn from_compiler(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let line: String = line.chars().take(ERROR_TEXT_BYTES / 8).collect();
        let found = TELLS.iter().find(|(words, ..)| text.contains(words));
        match found {
            Some((_, "", _)) => Self::TooComplex(line),
            Some((_, keyword, "")) => Self::misused(keyword, line),
            Some((_, keyword, why)) => Self::misused(keyword, *why),
            None => match quoted_keyword(text) {
                Some(keyword) => Self::misused(keyword, line),
                None => Self::Schema(line),
            },
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        if matches!(self, Self::Internal(_)) { 500 } else { 400 }
    }
}

fn keyword_sentence(keyword: &str, why: &str) -> String {
    let name = serde_json::Value::from(keyword);
    if why.is_empty() { format!("the keyword {name} is not supported") } else { format!("the keyword {name}: {why}") }
}

/// Words in llguidance's texts, the keyword that they are about (none: a limit was reached), and better words.
const TELLS: [(&str, &str, &str); 16] = [
    ("schema too large", "", ""),
    ("stack level", "", ""),
    ("fuel", "", ""),
    ("too big", "", ""),
    ("too large", "", ""),
    ("too many", "", ""),
    ("oneOf", "oneOf", "its choices must differ in type, or in a required property that is constant in each"),
    ("patternProperty", "patternProperties", ""),
    ("min/maxProperties", "maxProperties", "limits are supported where all of \"properties\" are required"),
    ("circular references", "$ref", ""),
    ("$ref", "$ref", ""),
    ("Reference segment", "$ref", ""),
    ("multiple", "multipleOf", ""),
    ("Invalid type", "type", ""),
    ("type must be", "type", ""),
    ("egex", "pattern", ""),
];

/// A keyword that a text has in quotes or begins with.
fn quoted_keyword(text: &str) -> Option<&'static str> {
    let names = super::schema::CONSTRAINTS.iter().copied();
    let mut names = names.filter(|name| text.contains(&format!("'{name}'")) || text.starts_with(name));
    names.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_keyword() {
        let rows = [
            (GrammarError::unsupported("not"), r#"the keyword "not" is not supported"#),
            (
                GrammarError::from_compiler("Expected f64 for 'minimum', got \"x\""),
                r#"the keyword "minimum": Expected"#,
            ),
            (GrammarError::from_compiler("schema too large"), "it is too complex: schema too large"),
            (GrammarError::from_compiler("enum must be an array"), r#"the keyword "enum": enum must be"#),
        ];
        for (error, sentence) in rows {
            assert!(error.to_string().contains(sentence), "{error}");
            assert_eq!(error.status(), 400);
        }
    }
}
