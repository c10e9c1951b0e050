//! What is asked: made-up prompts of one length, a built-in mix of lengths, or a file.

pub mod file;
pub mod mix;

use serde::Serialize;

pub use file::PromptsError;
pub use mix::Mix;

/// Short words that most vocabularies hold as one token each.
const WORDS: &[&str] = &[
    "the", "red", "house", "on", "a", "hill", "has", "two", "old", "doors", "and", "one", "small", "green", "garden",
    "where", "people", "walk", "each", "day", "with", "their", "dogs", "in", "rain", "or", "sun", "to", "see", "birds",
];

/// One turn of a talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What was said.
    pub content: String,
}

/// What one request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The talk so far; the last turn is the user's.
    pub messages: Vec<Message>,
    /// Most tokens of the answer, where the source says.
    pub output_tokens: Option<u32>,
}

impl Prompt {
    /// A single question.
    pub fn user(content: String) -> Self {
        Self { messages: vec![Message { role: "user", content }], output_tokens: None }
    }

    /// A question under instructions.
    pub fn with_system(system: String, content: String) -> Self {
        let system = Message { role: "system", content: system };
        Self { messages: vec![system, Message { role: "user", content }], output_tokens: None }
    }

    /// The whole talk as one text, for APIs without turns.
    pub fn text(&self) -> String {
        let texts: Vec<_> = self.messages.iter().map(|message| message.content.as_str()).collect();
        texts.join("\n\n")
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.content.len()).sum()
    }
}

/// A prompt of about `tokens` tokens. Prompts with different numbers differ from their first words on, so that no
/// cache of prefixes can answer for the model.
pub fn made_up(number: u64, tokens: usize) -> String {
    let mut prompt = format!("Story {number}:");
    let before = prompt.len().div_ceil(4);
    add_words(&mut prompt, number, tokens.saturating_sub(before));
    prompt
}

/// Adds so many words, which depend on `seed` only.
fn add_words(text: &mut String, seed: u64, count: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        text.push(' ');
        text.push_str(random.choice(WORDS).copied().unwrap_or(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_prompts_have_the_length_and_differ() {
        let (one, two) = (made_up(1, 85), made_up(2, 85));
        assert!((80..=85).contains(&one.split(' ').count()), "{one}");
        assert_eq!(one, made_up(1, 85));
        assert_ne!(one[8..], two[8..]);
    }

    #[test]
    fn a_talk_as_one_text() {
        let prompt = Prompt::with_system("a".to_owned(), "b".to_owned());
        assert_eq!((prompt.text(), prompt.bytes()), ("a\n\nb".to_owned(), 2));
    }
}
