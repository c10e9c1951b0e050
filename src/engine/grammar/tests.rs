//! Grammars over the synthetic vocabulary, whose tokens are single bytes and a few words.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::engine::backend::Token;
use crate::engine::synthetic::{END, SyntheticVocabulary};

fn grammars() -> Grammars {
    Grammars::new(Arc::new(SyntheticVocabulary), Masks::start(1).expect("threads"))
}

fn schema(value: &Value) -> Format {
    Format::Schema(value.to_string())
}

fn is_in(mask: &[u32], token: Token) -> bool {
    mask.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
}

fn allowed(constraint: &mut Constraint) -> Vec<u32> {
    assert!(constraint.wait(None));
    match constraint.next_token() {
        Next::Among(mask) => mask.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Whether the grammar takes the whole text, byte by byte, and lets the answer end behind it.
fn takes(constraint: &mut Constraint, text: &str) -> bool {
    for &byte in text.as_bytes() {
        let token = Token::from(byte);
        if !is_in(&allowed(constraint), token) {
            return false;
        }
        constraint.accept(token, &[byte]);
    }
    is_in(&allowed(constraint), END)
}

#[test]
fn texts_are_taken_as_the_schema_says() {
    let grammars = grammars();
    let person = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"type": "integer",
        "minimum": 0, "maximum": 130}}, "required": ["name"]});
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"v": {"enum": [1, "x", null]},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "next"]}}});
    let rows = [
        (&person, r#"{"name": "Ana", "age": 7}"#, true),
        (&person, r#"{"name":"Ana"}"#, true),
        (&person, "{\n  \"name\": \"Ana\"\n}", true),
        (&person, r#"{"name": "Anabel"}"#, false),
        (&person, r#"{"name": "Ana", "age": 131}"#, false),
        (&person, r#"{"name": "Ana", "x": 1}"#, false),
        (&person, r#"{"age": 7}"#, false),
        (&person, r#"{"name":  "Ana"}"#, false),
        (&tree, r#"{"v": "x", "next": {"v": 1, "next": null}}"#, true),
        (&tree, r#"{"v": 2, "next": null}"#, false),
        (&json!({"type": "string", "pattern": "^[a-c]{2}[0-9]$"}), r#""ab7""#, true),
        (&json!({"type": "string", "pattern": "^[a-c]{2}[0-9]$"}), r#""ab77""#, false),
        (&json!({"type": "string", "format": "date"}), r#""2024-02-29""#, true),
        (&json!({"type": "string", "format": "date"}), r#""2023-02-29""#, false),
        (&json!({"type": "string", "pattern": "^2", "format": "date"}), r#""2024-05-01""#, true),
        (&json!({"type": "string", "pattern": "^2", "format": "date"}), r#""1024-05-01""#, false),
        (&json!({"type": "string", "format": "date-time"}), r#""2024-05-01T23:59:60Z""#, false),
        (&json!({"type": "string", "format": "ipv6"}), r#""fe80::1:2""#, true),
        (&json!({"type": "string", "format": "ipv6"}), r#""1::2::3""#, false),
        (&json!({"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2}), "[1.5, -2e3]", true),
        (&json!({"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2}), "[]", false),
        (&json!({"type": "object", "additionalProperties": {"type": "boolean"}}), r#"{"a": true, "b": false}"#, true),
        (
            &json!({"allOf": [{"properties": {"a": {"type": "null"}}, "required": ["a"]}, {"required": ["b"]}], "type": "object"}),
            r#"{"a": null, "b": 1}"#,
            true,
        ),
        (&json!({}), r#"{"a": [1, {"b": "c"}]}"#, true),
        (&json!({}), "[1]", false),
    ];
    for (row, text, taken) in rows {
        let mut constraint = grammars.constrain(&schema(row), None).expect("a grammar");
        assert_eq!(takes(&mut constraint, text), taken, "{row}: {text}");
    }
    assert!(takes(&mut grammars.constrain(&Format::Json, None).expect("a grammar"), r#"{"a": 1.0e5}"#));
}

#[test]
fn a_complete_text_can_only_end() {
    let grammars = grammars();
    let only_end = tokens::set(SyntheticVocabulary.len(), [END].into_iter());
    let mut constraint = grammars.constrain(&Format::Json, None).expect("a grammar");
    assert!(takes(&mut constraint, "{}"));
    assert_eq!(allowed(&mut constraint)[..only_end.len()], only_end);
    let mut number = grammars.constrain(&schema(&json!({"type": "integer"})), None).expect("a grammar");
    assert!(takes(&mut number, "12"));
    assert!(is_in(&allowed(&mut number), Token::from(b'3')), "a number at the root may go on");
}

#[test]
fn numbers_come_to_an_end() {
    let mut constraint =
        grammars().constrain(&schema(&json!({"type": "array", "items": {"type": "number"}})), None).expect("a grammar");
    takes(&mut constraint, "[0.1234567890123");
    let mask = allowed(&mut constraint);
    assert!(!is_in(&mask, Token::from(b'4')) && is_in(&mask, Token::from(b']')));
}

#[test]
fn a_grammar_waits_for_the_end_of_the_thinking() {
    let thinking = Thinking { open: None, close: "</think>".into() };
    let mut constraint = grammars().constrain(&Format::Json, Some(&thinking)).expect("a grammar");
    assert_eq!(constraint.next_token(), Next::Free);
    constraint.accept(65, b"hm</think>");
    assert!(takes(&mut constraint, "{}"));
    let mut told = grammars().constrain(&Format::Json, Some(&thinking)).expect("a grammar");
    told.start(b"{\"");
    assert!(takes(&mut told, "a\": 1}"));
}

#[test]
fn a_token_that_is_not_allowed_ends_the_answer() {
    let mut constraint = grammars().constrain(&Format::Json, None).expect("a grammar");
    allowed(&mut constraint);
    constraint.accept(Token::from(b'x'), b"x");
    assert!(constraint.wait(None));
    assert!(matches!(constraint.next_token(), Next::Failed(_)));
}

#[test]
fn compiled_schemas_are_kept_and_stay_few() {
    let grammars = grammars();
    for number in 0..GRAMMARS_MAX + 3 {
        grammars.constrain(&schema(&json!({"const": number})), None).expect("a grammar");
    }
    grammars.constrain(&schema(&json!({"const": GRAMMARS_MAX + 2})), None).expect("a grammar");
    assert_eq!(grammars.compiled.lock().expect("no panic").len(), GRAMMARS_MAX);
}

#[test]
fn refusals_name_the_keyword() {
    let grammars = grammars();
    for (row, keyword) in [
        (json!({"not": {}}), "not"),
        (json!({"type": "strin"}), "type"),
        (json!({"type": "string", "pattern": "(?=a)b"}), "pattern"),
        (json!({"type": "string", "pattern": "("}), "pattern"),
        (json!({"type": "string", "pattern": r"(a)\1"}), "pattern"),
        (json!({"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": 5}]}), "oneOf"),
        (
            json!({"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1, "additionalProperties": true}),
            "maxProperties",
        ),
        (json!({"type": "integer", "minimum": "0"}), "minimum"),
        (json!({"type": "array", "minItems": -1}), "minItems"),
        (json!({"enum": 1}), "enum"),
        (json!({"required": true}), "required"),
        (json!({"type": "array", "items": 3}), "schema"),
    ] {
        let Err(error) = grammars.constrain(&schema(&row), None) else { panic!("{row} is taken") };
        let text = error.to_string();
        assert!(
            text.contains(&format!("\"{keyword}\"")) || (keyword == "schema" && text.contains("schema")),
            "{row}: {text}"
        );
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn schemas_at_the_limits_are_refused_or_compiled_in_time() {
    let grammars = grammars();
    let mut links: serde_json::Map<String, Value> =
        (0..8400).map(|at| (at.to_string(), json!({"$ref": format!("#/$defs/{}", at + 1)}))).collect();
    links.insert("8400".into(), json!({"type": "null"}));
    let chain = json!({"$ref": "#/$defs/0", "$defs": links}).to_string();
    let deep = format!("{}{{}}{}", "{\"items\":".repeat(120), "}".repeat(120));
    let names: serde_json::Map<String, Value> =
        (0..3000).map(|at| (format!("name_{at}"), json!({"type": "string", "maxLength": 900}))).collect();
    let wide = json!({"type": "object", "properties": names}).to_string();
    let words: Vec<String> = (0..8000).map(|at| format!("word {at} of many")).collect();
    let choice = json!({"type": "array", "items": {"enum": words}}).to_string();
    let long = json!({"type": "string", "minLength": 1_000_000, "maxLength": 100_000_000}).to_string();
    let many =
        json!({"type": "array", "items": {"type": "array", "minItems": 1_000_000}, "minItems": 1_000_000}).to_string();
    let nested = json!({"type": "string", "pattern": "^((((a{1,99}){1,99}){1,99}){1,99}){1,99}$"}).to_string();
    let products: Vec<Value> = (0..12)
        .map(|at| json!({"anyOf": [{"properties": {format!("a{at}"): {}}}, {"properties": {format!("b{at}"): {}}}]}))
        .collect();
    let product = json!({"allOf": products}).to_string();
    for (name, text) in [
        ("chain", chain),
        ("deep", deep),
        ("wide", wide),
        ("choice", choice),
        ("long", long),
        ("many", many),
        ("nested", nested),
        ("product", product),
    ] {
        assert!(text.len() <= crate::config::limits::SCHEMA_BYTES, "{name}: {}", text.len());
        let begun = std::time::Instant::now();
        let result = grammars.constrain(&Format::Schema(text), None).map(|mut constraint| {
            let _ = constraint.wait(None);
            matches!(constraint.next_token(), Next::Among(_))
        });
        let sound = match &result {
            Ok(works) => *works,
            Err(error) => matches!(error, GrammarError::TooComplex(_)),
        };
        assert!(sound, "{name}: {:?}", result.err());
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
    }
    let long = Format::Schema(" ".repeat(crate::config::limits::SCHEMA_BYTES + 1));
    assert!(matches!(grammars.constrain(&long, None), Err(GrammarError::TooLong { .. })));
}
