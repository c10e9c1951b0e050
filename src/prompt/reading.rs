//! Which parser reads an answer, for models with a parser, a Go template or a Jinja template (the behaviour page,
//! sections 2.3, 2.5, 7.1 and 7.4).

use super::parse::{Generic, Parser, Tools, by_name, by_template, generic, known};
use super::tags::Tags;
use crate::model::Think;
use crate::model::message::Message;

/// A parser for one answer.
pub struct Reading {
    /// The parser.
    pub parser: Parser,
    /// Special tokens whose text it has to see.
    pub preserved: Vec<String>,
    /// What stands around the thinking, where the answer may begin with some: a format holds behind it only.
    pub thinking: Option<Around>,
}

/// What stands around thinking, as the model writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// In front; `None`: the prompt has opened it.
    pub open: Option<String>,
    /// Behind.
    pub close: String,
}

/// What the choice of a parser depends on.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The tools that the request declares.
    pub tools: &'a Tools,
    /// Whether to think; `None`: nobody said.
    pub think: Option<Think>,
    /// The last message of the conversation.
    pub last: Option<&'a Message>,
    /// The whole prompt: it may have opened the thinking.
    pub prompt: &'a str,
}

impl Asked<'_> {
    fn thinks(&self) -> Option<bool> {
        self.think.map(Think::wanted)
    }

    fn has_opened(&self, tag: &str) -> bool {
        !tag.is_empty() && self.prompt.trim_end().ends_with(tag)
    }

    /// Without an opening tag an answer always begins with thinking, whatever was asked for.
    fn around(&self, open: &str, close: &str) -> Option<Around> {
        let always = open.is_empty();
        let has_opened = always || self.has_opened(open);
        let around = || Around { open: (!has_opened).then(|| open.to_owned()), close: close.to_owned() };
        (!close.is_empty() && (always || self.thinks() != Some(false))).then(around)
    }
}

/// The parser that a model's configuration names; `None` for a name that there is not, as Ollama has it.
pub fn built_in(name: &str, asked: &Asked<'_>) -> Option<Reading> {
    let parser = by_name(name, asked.tools, asked.thinks(), asked.last)?;
    let preserved = known(name).map(|known| known.preserved.iter().map(|text| (*text).to_owned()).collect());
    let (open, close) = built_in_thinking(name).unwrap_or_default();
    Some(Reading { parser, preserved: preserved.unwrap_or_default(), thinking: asked.around(open, close) })
}

/// The parser that always thinks.
const HARMONY: &str = "harmony";

/// What stands around the thinking that a built-in parser reads; nothing in front: an answer always begins with some.
fn built_in_thinking(name: &str) -> Option<(&'static str, &'static str)> {
    if !known(name)?.thinking {
        return None;
    }
    Some(match name {
        HARMONY => ("", "<|channel|>final<|message|>"),
        "gemma4" => ("<|channel>", "<channel|>"),
        "cohere" => ("<|START_THINKING|>", "<|END_THINKING|>"),
        "glimmer" => return None,
        _ => ("<think>", "</think>"),
    })
}

/// The parser for the tags of a Go template. Thinking stays in the text where nobody asked for it. `None`: there is
/// nothing to look for.
pub fn go(tags: &Tags, asked: &Asked<'_>) -> Option<Reading> {
    let splits = tags.thinks() && asked.thinks() == Some(true);
    let think = |tag: &str| if splits { tag.to_owned() } else { String::new() };
    by_tags(&tags.call, think(&tags.think_open), think(&tags.think_close), asked)
}

/// The parser that the text of a Jinja template hints at. `None`: there is nothing to look for.
pub fn jinja(template: &str, asked: &Asked<'_>) -> Option<Reading> {
    let (open, close) = jinja_thinking(template).unwrap_or_default();
    let shows = |marks: &[&str]| marks.iter().all(|mark| template.contains(mark));
    let family = FAMILIES.iter().find(|(marks, _)| shows(marks));
    if let Some((_, name)) = family {
        let parser = by_template(name, asked.tools, asked.thinks(), asked.last, asked.has_opened(open))?;
        let preserved = known(name).map_or(&[][..], |known| known.preserved);
        let preserved = preserved.iter().copied().chain([open, close]).map(str::to_owned).collect();
        let (open, close) = if *name == HARMONY { built_in_thinking(name)? } else { (open, close) };
        return Some(Reading { parser, preserved, thinking: asked.around(open, close) });
    }
    let call = CALLS.iter().find(|tag| template.contains(**tag)).unwrap_or(&"{");
    by_tags(call, open.to_owned(), close.to_owned(), asked)
}

/// The tags around thinking that a Jinja template knows.
pub fn jinja_thinking(template: &str) -> Option<(&'static str, &'static str)> {
    THINKING.iter().copied().find(|(_, close)| template.contains(close))
}

const THINKING: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
];

/// What the templates of families have in them that no others have, and the parser of the family.
const FAMILIES: [(&[&str], &str); 11] = [
    (&["<|channel|>", "<|message|>"], "harmony"),
    (&["<atem:function_calls>", "<|eom|>"], "glimmer"),
    (&["<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>"], "deepseek3"),
    (&["<|START_ACTION|>"], "cohere"),
    (&["<|tool_call>call:"], "gemma4"),
    (&["<start_function_call>"], "functiongemma"),
    (&["<arg_key>", "<arg_value>"], "glm-4.7"),
    (&["<tool_call>", "<function=", "<parameter="], "qwen3-coder"),
    (&["<|tool_call_start|>"], "lfm2"),
    (&["List of tools: ["], "lfm2"),
    (&["[SYSTEM_PROMPT]", "[TOOL_CALLS]", "[ARGS]", "[THINK]"], "ministral"),
];

/// What stands in front of calls in JSON.
const CALLS: [&str; 5] = ["<tool_call>", "[TOOL_CALLS]", "<|tool_call|>", "<|python_tag|>", "<function_call>"];

/// Bare and fenced calls count besides those with a tag: Qwen's coders write them, whatever their template shows.
fn by_tags(call: &str, think_open: String, think_close: String, asked: &Asked<'_>) -> Option<Reading> {
    let splits = !think_open.is_empty() && !think_close.is_empty();
    if !splits && asked.tools.is_empty() {
        return None;
    }
    let preserved = [leading_token(call), &think_open, &think_close].map(str::to_owned).to_vec();
    let thinks = asked.has_opened(&think_open);
    let thinking = asked.around(&think_open, &think_close);
    let template = Generic { tag: call.to_owned(), think_open, think_close, thinks, bare: true };
    Some(Reading { parser: generic(template, asked.tools), preserved, thinking })
}

/// The token at the front of a tag such as `[TOOL_CALLS][`; the tag itself where it is no bracket.
fn leading_token(tag: &str) -> &str {
    let close = match tag.chars().next() {
        Some('[') => ']',
        Some('<') => '>',
        _ => return tag,
    };
    tag.split_inclusive(close).next().unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::parse::{Call, Sink};

    #[derive(Default)]
    struct Answer {
        content: String,
        thinking: String,
        calls: Vec<String>,
    }

    impl Sink for Answer {
        fn content(&mut self, text: &str) {
            self.content.push_str(text);
        }
        fn thinking(&mut self, text: &str) {
            self.thinking.push_str(text);
        }
        fn call(&mut self, call: Call) {
            self.calls.push(call.name);
        }
    }

    fn read(reading: Option<Reading>, text: &str) -> (String, String, usize) {
        let Some(mut reading) = reading else { return (text.to_owned(), String::new(), 0) };
        let mut answer = Answer::default();
        reading.parser.push(text, &mut answer);
        reading.parser.finish(&mut answer);
        (answer.content, answer.thinking, answer.calls.len())
    }

    #[test]
    fn a_jinja_template_tells_its_family() {
        let tools = Tools::new(&[json!({"function": {"name": "f"}})]);
        // (template, the end of the prompt, answer) -> content, thinking, calls
        for (template, prompt, text, want) in [
            (
                "<tool_call> </think>",
                "",
                "<think>\nhm\n</think>\n\n<tool_call>{\"name\": \"f\", \"arguments\": {}}",
                ("", "hm", 1),
            ),
            ("<tool_call> </think>", "x<think>\n", "hm</think>ok", ("ok", "hm", 0)),
            ("<tool_call>", "", "<think>x</think>", ("<think>x</think>", "", 0)),
            ("", "", "```json\n{\"name\": \"f\", \"arguments\": {}}\n```", ("", "", 1)),
            ("<tool_call><function=x><parameter=y>", "", "<tool_call><function=f></function></tool_call>", ("", "", 1)),
            ("<tool_call><function=x><parameter=y></think>", "<think>", "hm</think>ok", ("ok", "hm", 0)),
            ("<tool_call><function=x><parameter=y></think>", "", "<think>hm</think>ok", ("ok", "hm", 0)),
            ("<tool_call><function=x><parameter=y></think>", "", "ok", ("ok", "", 0)),
            ("[TOOL_CALLS] [CALL_ID] [ARGS]", "", "[TOOL_CALLS]f[CALL_ID]1[ARGS]{}", ("", "", 1)),
            (
                "<|channel|><|message|>",
                "",
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>ok",
                ("ok", "hm", 0),
            ),
        ] {
            let asked = Asked { tools: &tools, think: None, last: None, prompt };
            let (content, thinking, calls) = want;
            assert_eq!(
                read(jinja(template, &asked), text),
                (content.into(), thinking.into(), calls),
                "{template}: {text}"
            );
        }
    }

    #[test]
    fn a_go_template_splits_thinking_only_where_it_was_asked_for() {
        let tags = Tags { call: "{".into(), think_open: "<think>".into(), think_close: "</think>".into() };
        let none = Tools::default();
        let asked = |think| Asked { tools: &none, think, last: None, prompt: "" };
        let text = "<think>hm</think>ok";
        assert_eq!(read(go(&tags, &asked(Some(Think::On))), text), ("ok".into(), "hm".into(), 0));
        for think in [None, Some(Think::Off)] {
            assert!(go(&tags, &asked(think)).is_none());
        }
        assert!(go(&Tags::default(), &asked(Some(Think::On))).is_none());
    }

    #[test]
    fn what_stands_around_the_thinking_is_told() {
        let none = Tools::default();
        let asked = |think, prompt| Asked { tools: &none, think, last: None, prompt };
        let tags = Tags { call: "{".into(), think_open: "[T]".into(), think_close: "[/T]".into() };
        let around =
            |open: Option<&str>, close: &str| Some(Around { open: open.map(str::to_owned), close: close.to_owned() });
        let on = Some(Think::On);
        for (reading, want) in [
            (go(&tags, &asked(on, "")), around(Some("[T]"), "[/T]")),
            (go(&tags, &asked(on, "a[T]\n")), around(None, "[/T]")),
            (jinja("</think>", &asked(None, "")), around(Some("<think>"), "</think>")),
            (jinja("</think>", &asked(Some(Think::Off), "")), None),
            (jinja("<|channel|><|message|>", &asked(None, "")), around(None, "<|channel|>final<|message|>")),
            (built_in("qwen3-thinking", &asked(on, "<think>")), around(None, "</think>")),
            (built_in("qwen3-thinking", &asked(Some(Think::Off), "")), None),
            (built_in("qwen3", &asked(on, "")), None),
            (built_in("harmony", &asked(Some(Think::Off), "")), around(None, "<|channel|>final<|message|>")),
        ] {
            assert_eq!(reading.expect("a parser").thinking, want);
        }
    }

    #[test]
    fn special_tokens_of_a_tag_are_preserved() {
        for (tag, token) in
            [("[TOOL_CALLS][", "[TOOL_CALLS]"), ("<a>\n<b>", "<a>"), ("call:", "call:"), ("[", "["), ("", "")]
        {
            assert_eq!(leading_token(tag), token);
        }
        let none = Tools::default();
        let asked = Asked { tools: &none, think: None, last: None, prompt: "" };
        assert!(built_in("no such parser", &asked).is_none());
        assert_eq!(
            built_in("olmo3", &asked).expect("it is there").preserved,
            ["<function_calls>", "</function_calls>"]
        );
    }
}
