//! The parsers by the names that models' configs give (the behaviour page, section 7.4).

use super::cohere::Cohere;
use super::deepseek::DeepSeek;
use super::families::{
    FUNCTION_GEMMA, GEMMA4, GLM, LFM2, MINISTRAL, OLMO3, OLMO3_THINK, PASSTHROUGH, QWEN3, QWEN3_CODER,
};
use super::glimmer::Glimmer;
use super::harmony::Harmony;
use super::laguna::Laguna;
use super::tagged::{Start, Tagged};
use super::{Parser, Tools};
use crate::model::message::Message;

/// What a built-in parser is known by.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name in a model's config.
    pub name: &'static str,
    /// Whether it reads calls of tools: gives the model the capability `tools`.
    pub tools: bool,
    /// Whether it reads thinking: gives the model the capability `thinking`.
    pub thinking: bool,
    /// Special tokens whose text it has to see; the engine prints no others.
    pub preserved: &'static [&'static str],
}

const THINK: [&str; 2] = ["<think>", "</think>"];
const TOOL_CALL: [&str; 2] = ["<tool_call>", "</tool_call>"];
const QWEN_TAGS: &[&str] = &[THINK[0], THINK[1], TOOL_CALL[0], TOOL_CALL[1]];
const GLM_TAGS: &[&str] = &[
    THINK[0],
    THINK[1],
    TOOL_CALL[0],
    TOOL_CALL[1],
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<user>",
    "</user>",
];
const DEEPSEEK_TAGS: &[&str] = &[
    THINK[1],
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
];
const LFM2_TAGS: &[&str] = &[THINK[0], THINK[1], "<|tool_call_start|>", "<|tool_call_end|>"];
const GEMMA4_TAGS: &[&str] =
    &["<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<|\"|>"];
const COHERE_TAGS: &[&str] = &[
    "<|START_THINKING|>",
    "<|END_THINKING|>",
    "<|START_TEXT|>",
    "<|END_TEXT|>",
    "<|START_ACTION|>",
    "<|END_ACTION|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
];

const fn both(name: &'static str, preserved: &'static [&'static str]) -> Known {
    Known { name, tools: true, thinking: true, preserved }
}

const fn tools_only(name: &'static str, preserved: &'static [&'static str]) -> Known {
    Known { name, tools: true, thinking: false, preserved }
}

static KNOWN: &[Known] = &[
    tools_only("qwen3", QWEN_TAGS),
    both("qwen3-thinking", QWEN_TAGS),
    both("qwen3.5", QWEN_TAGS),
    both("ornith", QWEN_TAGS),
    tools_only("qwen3-coder", QWEN_TAGS),
    tools_only("qwen3-vl-instruct", QWEN_TAGS),
    both("qwen3-vl-thinking", QWEN_TAGS),
    tools_only("ministral", &["[TOOL_CALLS]", "[THINK]", "[/THINK]", "[ARGS]"]),
    Known { name: "passthrough", tools: false, thinking: false, preserved: &[] },
    both("harmony", &["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>"]),
    both("cogito", DEEPSEEK_TAGS),
    both("deepseek3", DEEPSEEK_TAGS),
    tools_only("olmo3", &["<function_calls>", "</function_calls>"]),
    Known { name: "olmo3-think", tools: false, thinking: true, preserved: &["</think>"] },
    both("nemotron-3-nano", QWEN_TAGS),
    both("nemotron-3.5-nano", QWEN_TAGS),
    tools_only("functiongemma", &["<start_function_call>", "<end_function_call>", "<escape>"]),
    both("glm-4.7", GLM_TAGS),
    both("gemma4", GEMMA4_TAGS),
    tools_only("gemma4-no-thinking", GEMMA4_TAGS),
    tools_only("glm-ocr", GLM_TAGS),
    tools_only("lfm2", LFM2_TAGS),
    both("lfm2-thinking", LFM2_TAGS),
    both("laguna", GLM_TAGS),
    both("poolside-v1", GLM_TAGS),
    both("cohere", COHERE_TAGS),
    both("glimmer", &["<|start|>", "<|message|>", "<|eom|>", "<|eot|>"]),
];

/// What is known of the parser `name`; `None` for a name that there is not.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The parser of this name for one answer; `None` for a name that there is not. `think` is what the request asks for
/// (levels are true), and `last` the last message of the prompt: an assistant's is continued.
pub fn by_name(name: &str, tools: &Tools, think: Option<bool>, last: Option<&Message>) -> Option<Parser> {
    let continued = last.is_some_and(|last| last.role == "assistant" && !last.content.is_empty());
    let asked = think == Some(true);
    let not_refused = think != Some(false);
    let tagged = |family, start| Parser::new(Tagged::new(family, start, true, tools.clone()));
    // Thinking where the request and the prompt have it so.
    let when = |thinks: bool, start| if thinks { start } else { Start::Content };
    Some(match name {
        "qwen3" | "qwen3-vl-instruct" => tagged(&QWEN3, Start::Content),
        "qwen3-thinking" => tagged(&QWEN3, when(not_refused, Start::ThinkingAgain)),
        "qwen3-vl-thinking" => tagged(&QWEN3, when(!continued, Start::Thinking)),
        "qwen3-coder" => tagged(&QWEN3_CODER, Start::Content),
        "qwen3.5" | "ornith" | "nemotron-3-nano" | "nemotron-3.5-nano" => {
            tagged(&QWEN3_CODER, when(not_refused && !continued, Start::ThinkingAgain))
        }
        "glm-4.7" => tagged(&GLM, if not_refused { Start::Thinking } else { Start::MayThink }),
        "glm-ocr" => tagged(&GLM, Start::MayThink),
        "olmo3" => tagged(&OLMO3, Start::Content),
        "olmo3-think" => tagged(&OLMO3_THINK, when(!continued, Start::Thinking)),
        "lfm2" => tagged(&LFM2, Start::Content),
        "lfm2-thinking" => tagged(&LFM2, when(asked && !continued, Start::MayThinkTrimmed)),
        "functiongemma" => tagged(&FUNCTION_GEMMA, Start::Content),
        "ministral" => tagged(&MINISTRAL, Start::Content),
        "passthrough" => tagged(&PASSTHROUGH, Start::Content),
        "gemma4" => {
            // After the answer of a tool the prompt has opened the thinking.
            let start = when(asked && last.is_some_and(|last| last.role == "tool"), Start::Thinking);
            Parser::new(Tagged::new(&GEMMA4, start, asked, tools.clone()))
        }
        "gemma4-no-thinking" => Parser::new(Tagged::new(&GEMMA4, Start::Content, false, tools.clone())),
        "deepseek3" => Parser::new(DeepSeek::third(asked && !continued)),
        "cogito" => Parser::new(DeepSeek::cogito(asked && !continued && tools.is_empty())),
        "cohere" => Parser::new(Cohere::new(continued, not_refused)),
        "laguna" => {
            let continued = last.is_some_and(|last| last.role == "assistant");
            Parser::new(Laguna::new(asked, continued, tools.clone()))
        }
        "poolside-v1" => Parser::new(Laguna::new(asked, false, tools.clone())),
        "harmony" => Parser::new(Harmony::new(tools, last)),
        "glimmer" => Parser::new(Glimmer::new(not_refused, tools.clone())),
        _ => return None,
    })
}

/// The parser of this name for a model whose Jinja template is like those of the family: `opened` tells whether the
/// prompt ends inside the thinking, which only a built-in renderer would make known beforehand. Otherwise as [`by_name`].
pub fn by_template(
    name: &str,
    tools: &Tools,
    think: Option<bool>,
    last: Option<&Message>,
    opened: bool,
) -> Option<Parser> {
    let tagged = |family, may_think| {
        let start = if opened { Start::ThinkingAgain } else { may_think };
        Some(Parser::new(Tagged::new(family, start, true, tools.clone())))
    };
    match name {
        "qwen3-coder" => tagged(&QWEN3_CODER, Start::MayThink),
        "glm-4.7" => tagged(&GLM, Start::MayThink),
        "lfm2" => tagged(&LFM2, Start::MayThinkTrimmed),
        "deepseek3" => Some(Parser::new(DeepSeek::third(opened))),
        _ => by_name(name, tools, think, last),
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, Tools, by_name, known};

    #[test]
    fn every_name_has_a_parser() {
        assert_eq!(KNOWN.len(), 27);
        for known in KNOWN {
            assert!(by_name(known.name, &Tools::default(), None, None).is_some(), "{}", known.name);
        }
        assert!(known("llama").is_none() && by_name("llama", &Tools::default(), None, None).is_none());
    }
}
