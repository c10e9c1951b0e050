//! What holds for any template and any text.

use proptest::prelude::*;

use super::super::Template;
use super::super::budget::Sink;
use super::super::literal::unquote;
use super::super::runes::quote;
use super::super::value::Value;
use super::super::{json, runes};
use super::{message, render};

/// Words that templates are made of, so that chance makes something of them.
const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    " ",
    "\n",
    "x",
    "(",
    ")",
    "|",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "1",
    "0",
    "-1.5",
    "'a'",
    "\"s\"",
    "`r`",
    "\"",
    "'",
    "nil",
    "true",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "block",
    "template",
    "break",
    "continue",
    "print",
    "printf",
    "\"%v%5d%q\"",
    "len",
    "index",
    "slice",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "html",
    "json",
    ".Messages",
    ".Role",
    ".Response",
    ".Content",
    ".Nope",
    "/*",
    "*/",
    "é",
    "\u{0}",
    "\\",
];

/// Whole actions, so that chance makes something that runs.
const ACTIONS: &[&str] = &[
    "{{ if .Messages }}",
    "{{ else }}",
    "{{ end }}",
    "{{ range .Messages }}",
    "{{ range $i, $m := .Messages }}",
    "{{ with index .Messages 0 }}",
    "{{ .Role }}",
    "{{ $.System }}",
    "{{ .Nope }}",
    "{{ . }}",
    "{{ break }}",
    "{{ continue }}",
    "{{ $x := 1 }}",
    "{{ $x = len $ }}",
    "{{ $x }}",
    "{{ .Response }}",
    "{{ print . | len }}",
    "{{ slice .Content 1 }}",
    "{{ json . }}",
    "{{ printf \"%v %+v %#v %T\" . . . . }}",
    "a",
    "\n ",
];

fn made_of(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..most).prop_map(|words| words.concat())
}

/// Parses and, where that goes well, renders: neither may panic, and both say the same a second time.
fn survives(template: &str) {
    let Ok(parsed) = Template::parse(template) else { return };
    assert_eq!(Template::parse(template).as_ref(), Ok(&parsed));
    let messages = [message("system", "s"), message("user", "ü"), message("assistant", "")];
    assert_eq!(render(template, &messages), render(template, &messages));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        survives(&text);
        survives(&format!("{{{{ {text}"));
    }

    #[test]
    fn no_words_make_it_panic(text in made_of(WORDS, 24)) {
        survives(&text);
        survives(&format!("{{{{ {text} }}}}"));
    }

    #[test]
    fn no_actions_make_it_panic(text in made_of(ACTIONS, 16)) {
        survives(&text);
    }

    #[test]
    fn quoted_texts_come_back(bytes in prop::collection::vec(any::<u8>(), 0..32), text in any::<String>()) {
        for bytes in [&bytes[..], text.as_bytes()] {
            prop_assert_eq!(unquote(&quote(bytes, false)), Some(bytes.to_vec()));
            prop_assert_eq!(unquote(&quote(bytes, true)), Some(bytes.to_vec()));
        }
    }

    #[test]
    fn json_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..32), text in any::<String>()) {
        for bytes in [bytes, text.into_bytes()] {
            let mut sink = Sink::new();
            json::write(&mut sink, &Value::Text(bytes.clone().into()));
            let read: String = serde_json::from_slice(&sink.into_bytes()).expect("JSON");
            prop_assert_eq!(read, runes::to_utf8(bytes));
        }
    }
}
