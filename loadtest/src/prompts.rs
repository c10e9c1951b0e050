//! What is asked: prompts from a file, or made up to a length.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Largest file of prompts.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Short words that most vocabularies hold as one token each.
const WORDS: &[&str] = &[
    "the", "red", "house", "on", "a", "hill", "has", "two", "old", "doors", "and", "one", "small", "green", "garden",
    "where", "people", "walk", "each", "day", "with", "their", "dogs", "in", "rain", "or", "sun", "to", "see", "birds",
];

/// Why there are no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{}: larger than {FILE_BYTES_MAX} bytes", .0.display())]
    Large(PathBuf),
    /// The file is not a JSON array of strings, or of objects with a `prompt`.
    #[error("{}: wanted a JSON array of strings, or of objects with a `prompt`", .0.display())]
    Shape(PathBuf),
}

/// Reads a JSON array of strings, or of objects with a `prompt`.
///
/// # Errors
/// [`PromptsError`]; an empty array is of the wrong shape.
pub fn read(path: &Path) -> Result<Vec<String>, PromptsError> {
    let fail = |source| PromptsError::File { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(PromptsError::Large(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(fail)?;
    from_json(&text).ok_or_else(|| PromptsError::Shape(path.to_owned()))
}

fn from_json(text: &str) -> Option<Vec<String>> {
    let items: Vec<Value> = serde_json::from_str(text).ok()?;
    let prompt = |item: &Value| item.as_str().or_else(|| item.get("prompt")?.as_str()).map(str::to_owned);
    let prompts: Option<Vec<_>> = items.iter().map(prompt).collect();
    prompts.filter(|prompts| !prompts.is_empty())
}

/// A prompt of about `tokens` tokens. Prompts with different numbers differ from their first words on, so that no
/// cache of prefixes can answer for the model.
pub fn made_up(number: u64, tokens: usize) -> String {
    // Knuth's multiplier spreads neighbouring numbers; the high bits are the random ones.
    let mut state = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mut prompt = format!("Story {number}:");
    let mut words = prompt.len().div_ceil(4);
    while words < tokens {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (state >> 33) as usize % WORDS.len();
        prompt.push(' ');
        prompt.push_str(WORDS[word]);
        words += 1;
    }
    prompt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_shapes() {
        assert_eq!(from_json(r#"["a", {"id": 1, "prompt": "b"}]"#), Some(vec!["a".to_owned(), "b".to_owned()]));
        for bad in ["[]", "{}", "[1]", r#"[{"text": "a"}]"#, "x"] {
            assert_eq!(from_json(bad), None, "{bad}");
        }
    }

    #[test]
    fn made_up_prompts_have_the_length_and_differ() {
        let (one, two) = (made_up(1, 85), made_up(2, 85));
        assert!((80..=85).contains(&one.split(' ').count()), "{one}");
        assert_eq!(one, made_up(1, 85));
        assert_ne!(one[8..], two[8..]);
    }
}
