//! Built-in mixes of prompt and answer lengths. They are round figures in the shape of what is known of such uses
//! (log-normal lengths, a few turns of talk), not a recording.

use clap::ValueEnum;

use super::{Message, Prompt, add_words, made_up};

/// A built-in mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// --prompt-tokens for every prompt
    Fixed,
    /// Talks of 1 to 5 turns, answers of about 180 tokens
    Chat,
    /// About 700 tokens of code, answers of about 300
    Code,
    /// About 2,500 tokens, answers of about 120
    Summarise,
    /// One system prompt of 1,000 tokens that all requests share, then about 60 of their own
    Shared,
    /// 8,000 to 24,000 tokens, answers of about 200
    Long,
    /// Half chat, the rest code, summarise, shared (20, 15, 13 %) and a few long (2 %)
    Mixed,
}

/// Tokens: the median, its spread (sigma of the logarithm), and the bounds.
struct Length {
    median: f64,
    sigma: f64,
    least: f64,
    most: f64,
}

const CHAT_TURN: Length = Length { median: 60.0, sigma: 0.9, least: 5.0, most: 1000.0 };
const CHAT_ANSWER: Length = Length { median: 180.0, sigma: 0.8, least: 16.0, most: 1024.0 };
const CODE: Length = Length { median: 700.0, sigma: 0.6, least: 100.0, most: 3000.0 };
const CODE_ANSWER: Length = Length { median: 300.0, sigma: 0.7, least: 32.0, most: 1500.0 };
const ARTICLE: Length = Length { median: 2500.0, sigma: 0.4, least: 1000.0, most: 6000.0 };
const SUMMARY: Length = Length { median: 120.0, sigma: 0.4, least: 40.0, most: 400.0 };
const LONG: Length = Length { median: 14_000.0, sigma: 0.3, least: 8000.0, most: 24_000.0 };
const LONG_ANSWER: Length = Length { median: 200.0, sigma: 0.5, least: 32.0, most: 800.0 };
/// Tokens of the shared system prompt.
const SHARED_TOKENS: usize = 1000;
/// Most turns of the user in a talk.
const TURNS_MAX: u32 = 5;

impl Length {
    fn draw(&self, random: &mut fastrand::Rng) -> usize {
        // Box-Muller: a normal draw from two even ones.
        let (a, b) = (1.0 - random.f64(), random.f64());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        (self.median * (self.sigma * normal).exp()).clamp(self.least, self.most) as usize
    }
}

/// Prompt `number` of a mix; the same number, seed and length give the same prompt. `tokens` is for [`Mix::Fixed`].
pub fn prompt(mix: Mix, seed: u64, number: u64, tokens: usize) -> Prompt {
    let random = &mut fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
    // Prompts of two seeds have different numbers, and so different first words.
    let name = seed.wrapping_sub(1).wrapping_mul(1_000_000_007).wrapping_add(number);
    let single = |random: &mut fastrand::Rng, length: &Length, answer: &Length| {
        let text = made_up(name, length.draw(random));
        Prompt { output_tokens: Some(answer.draw(random) as u32), ..Prompt::user(text) }
    };
    match drawn(mix, random) {
        Mix::Code => single(random, &CODE, &CODE_ANSWER),
        Mix::Summarise => single(random, &ARTICLE, &SUMMARY),
        Mix::Long => single(random, &LONG, &LONG_ANSWER),
        Mix::Chat => talk(random, name),
        Mix::Shared => {
            let mut system = "You answer questions about a house.".to_owned();
            add_words(&mut system, 0, SHARED_TOKENS);
            let question = made_up(name, CHAT_TURN.draw(random));
            let output_tokens = Some(CHAT_ANSWER.draw(random) as u32);
            Prompt { output_tokens, ..Prompt::with_system(system, question) }
        }
        Mix::Fixed | Mix::Mixed => Prompt::user(made_up(name, tokens)),
    }
}

/// One of its parts for [`Mix::Mixed`]; any other is itself.
fn drawn(mix: Mix, random: &mut fastrand::Rng) -> Mix {
    if mix != Mix::Mixed {
        return mix;
    }
    match random.u32(0..100) {
        0..50 => Mix::Chat,
        50..70 => Mix::Code,
        70..85 => Mix::Summarise,
        85..98 => Mix::Shared,
        _ => Mix::Long,
    }
}

fn talk(random: &mut fastrand::Rng, name: u64) -> Prompt {
    let turns = random.u32(1..=TURNS_MAX);
    let mut messages = Vec::new();
    for turn in 0..turns {
        let question = made_up(name.wrapping_add(u64::from(turn) << 40), CHAT_TURN.draw(random));
        messages.push(Message { role: "user", content: question });
        if turn + 1 < turns {
            let mut answer = "Well:".to_owned();
            add_words(&mut answer, random.u64(..), CHAT_ANSWER.draw(random));
            messages.push(Message { role: "assistant", content: answer });
        }
    }
    Prompt { messages, output_tokens: Some(CHAT_ANSWER.draw(random) as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(mut numbers: Vec<usize>) -> usize {
        numbers.sort_unstable();
        numbers[numbers.len() / 2]
    }

    #[test]
    fn lengths_are_as_told() {
        let table = [(Mix::Code, 700, 300), (Mix::Summarise, 2500, 120), (Mix::Long, 14_000, 200)];
        for (mix, input, output) in table {
            let prompts: Vec<_> = (0..300).map(|number| prompt(mix, 1, number, 85)).collect();
            let words = median(prompts.iter().map(|prompt| prompt.text().split(' ').count()).collect());
            let answer = median(prompts.iter().map(|prompt| prompt.output_tokens.unwrap() as usize).collect());
            assert!(words.abs_diff(input) < input / 5, "{mix:?}: {words}");
            assert!(answer.abs_diff(output) < output / 4, "{mix:?}: {answer}");
        }
    }

    #[test]
    fn shared_prompts_share_their_beginning() {
        let (one, two) = (prompt(Mix::Shared, 1, 1, 0), prompt(Mix::Shared, 1, 2, 0));
        assert_eq!((one.messages[0].role, &one.messages[0]), ("system", &two.messages[0]));
        assert_ne!(one.messages[1], two.messages[1]);
        assert!(one.messages[0].content.split(' ').count() > SHARED_TOKENS);
    }

    #[test]
    fn talks_end_with_the_user() {
        let talks: Vec<_> = (0..100).map(|number| prompt(Mix::Chat, 1, number, 0)).collect();
        assert!(talks.iter().all(|talk| talk.messages.last().unwrap().role == "user" && talk.messages.len() % 2 == 1));
        assert_eq!(talks.iter().map(|talk| talk.messages.len()).max(), Some(2 * TURNS_MAX as usize - 1));
    }

    #[test]
    fn seeds_and_numbers_decide() {
        for mix in [Mix::Fixed, Mix::Mixed] {
            assert_eq!(prompt(mix, 1, 5, 50), prompt(mix, 1, 5, 50));
            assert_ne!(prompt(mix, 1, 5, 50), prompt(mix, 2, 5, 50));
            assert_ne!(prompt(mix, 1, 5, 50), prompt(mix, 1, 6, 50));
        }
        let shared = (0..1000).filter(|number| prompt(Mix::Mixed, 1, *number, 0).messages[0].role == "system").count();
        assert!((90..180).contains(&shared), "{shared}");
    }
}
