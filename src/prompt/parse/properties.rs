//! What holds for every parser and any text: all splits give the same answer, nothing panics, and the bounds hold.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{Answer, parse};
use super::{Generic, Parser, Sink, Tools, by_name, generic};
use crate::config::limits;

const NAMES: [&str; 27] = [
    "qwen3",
    "qwen3-thinking",
    "qwen3.5",
    "ornith",
    "qwen3-coder",
    "qwen3-vl-instruct",
    "qwen3-vl-thinking",
    "ministral",
    "passthrough",
    "harmony",
    "cogito",
    "deepseek3",
    "olmo3",
    "olmo3-think",
    "nemotron-3-nano",
    "nemotron-3.5-nano",
    "functiongemma",
    "glm-4.7",
    "gemma4",
    "gemma4-no-thinking",
    "glm-ocr",
    "lfm2",
    "lfm2-thinking",
    "laguna",
    "poolside-v1",
    "cohere",
    "glimmer",
];

/// What texts are made of: the tags of all families, parts of them, and what may stand between.
const FRAGMENTS: &[&str] = &[
    " ",
    "\n",
    "  \n",
    "a",
    "🦙",
    "\u{3000}",
    "f",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "<",
    "</",
    "<th",
    "```json\n",
    "```",
    "=",
    "(",
    ")",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<user>",
    "</user>",
    "<function=f>",
    "</function>",
    "<parameter=n>",
    "</parameter>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "f(n=1)",
    "[f(n='x')]",
    "{\"name\": \"f\", \"arguments\": {\"n\": 1}}",
    "{\"n\": 1}",
    "{\"name\": \"g\"}",
    "[THINK]",
    "[/THINK]",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|channel>",
    "<channel|>",
    "thought\n",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "call:f{n:1}",
    "<|\"|>",
    "<start_function_call>",
    "<end_function_call>",
    "<function_calls>",
    "</function_calls>",
    "<|tool_call_start|>",
    "<|tool_call_end|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<|START_THINKING|>",
    "<|END_THINKING|>",
    "<|START_TEXT|>",
    "<|END_TEXT|>",
    "<|START_ACTION|>",
    "<|END_ACTION|>",
    "<|END_OF_TURN_TOKEN|>",
    "{\"tool_name\": \"f\"}",
    "<|start|>",
    "assistant",
    "<|message|>",
    "<|end|>",
    "<|eom|>",
    "<|eot|>",
    "<|channel|>analysis",
    "<|channel|>commentary to=functions.f",
    " to=f",
    " to=self",
    "<atem:function_calls>",
    "</atem:function_calls>",
    "<atem:invoke name=\"f\">",
    "</atem:invoke>",
];

fn tools() -> Vec<Value> {
    let parameters = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
    vec![json!({"function": {"name": "f", "parameters": parameters}})]
}

/// Every built-in parser, and the generic one in several ways.
fn parser(which: usize, think: Option<bool>, with_tools: bool) -> Parser {
    let tools = if with_tools { Tools::new(&tools()) } else { Tools::default() };
    let Some(name) = NAMES.get(which) else {
        let tag = ["", "{", "[", "<tool_call>"][which % 4].to_owned();
        let [think_open, think_close] = ["<think>", "</think>"].map(str::to_owned);
        let template = Generic { tag, think_open, think_close, thinks: think == Some(true), bare: which % 8 >= 4 };
        return generic(template, &tools);
    };
    by_name(name, &tools, think, None).expect("a known parser")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_answer(
        fragments in prop::collection::vec(prop::sample::select(FRAGMENTS), 0..16),
        think in prop::sample::select(vec![None, Some(true), Some(false)]),
        with_tools: bool,
    ) {
        let text = fragments.concat();
        for which in 0..NAMES.len() + 8 {
            parse(|| parser(which, think, with_tools), &text);
        }
    }
}

/// The answer to `text` in pieces of `size` bytes; `text` is ASCII.
fn in_pieces(mut parser: Parser, text: &str, size: usize) -> Answer {
    let mut answer = Answer::default();
    for piece in text.as_bytes().chunks(size) {
        parser.push(std::str::from_utf8(piece).expect("ASCII"), &mut answer);
    }
    parser.finish(&mut answer);
    answer
}

#[test]
fn what_never_ends_goes_out_as_content() {
    let long = "x".repeat(limits::HELD_BYTES + 10);
    for (name, before, after) in [
        ("qwen3", "<tool_call>", "</tool_call> <tool_call>{\"name\": \"f\"}</tool_call>"),
        ("qwen3-coder", "a <tool_call>", "</tool_call>"),
        ("ministral", "[TOOL_CALLS]", "[ARGS]{}"),
        ("ministral", "[TOOL_CALLS]f[ARGS]{", "}"),
        ("lfm2", "f(", ")"),
        ("lfm2", "<|tool_call_start|>f(", ")<|tool_call_end|>"),
        ("deepseek3", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"),
        ("laguna", "<user>", "</user>"),
        ("laguna", "{\"name\": \"", "\"}"),
        ("cohere", "<|END_THINKING|><|START_ACTION|>[{\"", "<|END_ACTION|>"),
        ("harmony", "", "<|message|>y"),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>{\"", "\"}<|end|>"),
        ("glimmer", "", "<|message|>y"),
        ("glimmer", " to=f<|message|>", "<|eom|>"),
    ] {
        let text = format!("{before}{long}{after}");
        let make = || by_name(name, &Tools::new(&tools()), None, None).expect("a known parser");
        let whole = {
            let (mut parser, mut answer) = (make(), Answer::default());
            parser.push(&text, &mut answer);
            parser.finish(&mut answer);
            answer
        };
        assert!(whole.content.contains(&long[..limits::HELD_BYTES - 64]), "{name} {before}");
        if text.is_ascii() {
            assert_eq!(in_pieces(make(), &text, 1000), whole, "{name} {before}");
            assert_eq!(in_pieces(make(), &text, 65_537), whole, "{name} {before}");
        }
        assert!(whole.calls.len() <= 1, "{name} {before}");
    }
}

#[test]
fn calls_are_counted() {
    let text = "<tool_call>{\"name\": \"f\"}</tool_call>".repeat(limits::CALLS_MAX + 2);
    let answer = in_pieces(by_name("qwen3", &Tools::default(), None, None).expect("known"), &text, 100);
    assert_eq!(answer.calls.len(), limits::CALLS_MAX);
    assert_eq!(answer.content, "<tool_call>{\"name\": \"f\"}</tool_call>".repeat(2));
}

#[test]
fn a_sink_need_not_tell_broken_calls_from_text() {
    #[derive(Default)]
    struct Plain(String);
    impl Sink for Plain {
        fn content(&mut self, text: &str) {
            self.0.push_str(text);
        }
        fn thinking(&mut self, _: &str) {}
        fn call(&mut self, _: super::Call) {}
    }
    let mut sink = Plain::default();
    let mut parser = by_name("qwen3", &Tools::default(), None, None).expect("known");
    parser.push("a <tool_call>{</tool_call> b", &mut sink);
    parser.finish(&mut sink);
    assert_eq!(sink.0, "a <tool_call>{</tool_call> b");
}
