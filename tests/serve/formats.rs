//! Answers that are held to JSON or to a schema (`format`), with a model that would say something else.

use std::thread;

use serde_json::{Value, json};

use crate::server::Server;

const CAPITAL: &str = "Give the capital of France as JSON.";

fn generate(prompt: &str, format: &Value, options: &Value) -> Value {
    json!({"model": "llamita", "prompt": prompt, "format": format, "think": false, "stream": false, "options": options})
}

fn answer(server: &Server, body: &Value) -> Value {
    let reply = server.post("/api/generate", &body.to_string());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The answer's text as JSON; it must have ended by itself.
fn value(answer: &Value) -> Value {
    assert_eq!(answer["done_reason"], "stop", "{answer}");
    let text = answer["response"].as_str().expect("a text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What Ollama answered (generate/format-json, generate/format-schema, chat/format-schema).
#[test]
fn recorded_answers() {
    let server = Server::start(&[]);
    server.create_llamita();
    let options = json!({"temperature": 0, "num_predict": 60, "seed": 7});
    let text = |name: &str| (name.to_owned(), json!({"type": "string"}));
    let both = json!({"type": "object", "properties": Value::Object([text("country"), text("capital")].into_iter().collect()),
                      "required": ["country", "capital"]});
    for format in [json!("json"), both] {
        let answer = answer(&server, &generate(CAPITAL, &format, &options));
        assert_eq!(answer["response"], r#"{"country": "France", "capital": "Paris"}"#);
        assert_eq!((&answer["done_reason"], &answer["eval_count"]), (&json!("stop"), &json!(15)));
    }
    let one = json!({"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]});
    let chat = json!({"model": "llamita", "messages": [{"role": "user", "content": CAPITAL}], "think": false,
                      "stream": false, "format": one, "options": options});
    let answer = server.post("/api/chat", &chat.to_string()).json();
    assert_eq!(answer["message"]["content"], r#"{"capital": "Francearis"}"#);
    assert_eq!(answer["eval_count"], 9);
}

#[test]
fn every_kind_of_schema_beside_free_answers() {
    let server = Server::start(&[]);
    server.create_llamita();
    let rows: Vec<Value> = include_str!("../data/schemas/schemas.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .filter(|row: &Value| row["bounded"] == true && row["id"].as_str().is_some_and(|id| id.ends_with("-00")))
        .collect();
    assert_eq!(rows.len(), 10);
    let free = json!({"model": "llamita", "prompt": "Hello", "stream": false, "options": {"temperature": 0}});
    thread::scope(|scope| {
        for row in &rows {
            let (server, free) = (&server, &free);
            scope.spawn(move || {
                let options = json!({"temperature": 1.5, "num_predict": 2000, "seed": 3});
                let found = value(&answer(server, &generate("Hello", &row["schema"], &options)));
                let names = row["schema"]["required"].as_array().map_or(&[][..], Vec::as_slice);
                assert!(names.iter().all(|name| found.get(name.as_str().unwrap_or_default()).is_some()), "{found}");
            });
            scope.spawn(move || assert_eq!(answer(server, free)["response"], "Hello! How can I help you?"));
        }
    });
}

#[test]
fn the_end_comes_where_it_may_and_a_cut_is_told() {
    let server = Server::start(&[]);
    server.create_llamita();
    let list = json!({"type": "array", "items": {"type": "string", "minLength": 3}, "minItems": 50});
    let cut = answer(&server, &generate("Hello", &list, &json!({"temperature": 0, "num_predict": 20})));
    assert_eq!((&cut["done_reason"], &cut["eval_count"]), (&json!("length"), &json!(20)));
    let one = value(&answer(&server, &generate("Hello", &json!({"const": {"a": [1, null]}}), &json!({"seed": 1}))));
    assert_eq!(one, json!({"a": [1, null]}));
    let number = json!({"type": "integer", "minimum": 17, "maximum": 19});
    assert!(
        (17..=19).contains(&value(&answer(&server, &generate("Hello", &number, &json!({})))).as_i64().unwrap_or(0))
    );
}

/// As llama-server reports them: of the model, not of what the format leaves.
#[test]
fn log_probabilities_are_those_without_the_format() {
    let server = Server::start(&[]);
    server.create_llamita();
    let mut body = generate("Hello", &json!("json"), &json!({"temperature": 0, "num_predict": 3}));
    (body["logprobs"], body["top_logprobs"]) = (json!(true), json!(2));
    let first = answer(&server, &body)["logprobs"][0].clone();
    assert_eq!((&first["token"], &first["top_logprobs"][0]["token"]), (&json!("{\""), &json!("Hello")));
    assert!(first["logprob"].as_f64() < Some(-1.0), "{first}");
}

#[test]
fn a_model_that_thinks_does_so_before_its_answer() {
    let server = Server::start(&[]);
    server.create_llamita();
    let schema = json!({"type": "object", "properties": {"capital": {"type": "string", "maxLength": 20}},
                        "required": ["capital"]});
    let chat = json!({"model": "llamita", "messages": [{"role": "user", "content": CAPITAL}], "think": true,
                      "stream": false, "format": schema, "options": {"temperature": 0, "num_predict": 200}});
    let answer = server.post("/api/chat", &chat.to_string()).json();
    assert_eq!(answer["done_reason"], "stop", "{answer}");
    let text = answer["message"]["content"].as_str().expect("a text");
    let text = text.rsplit("</think>").next().unwrap_or_default();
    let found: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(found["capital"].is_string());
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let server = Server::start(&[]);
    server.create_llamita();
    for (schema, keyword) in [
        (json!({"type": "array", "items": {"not": {"type": "null"}}}), "not"),
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (json!({"type": "string", "pattern": "(?<=a)b"}), "pattern"),
        (json!({"type": "string", "format": "iri"}), "format"),
        (json!({"$ref": "https://example.org/schema"}), "$ref"),
    ] {
        let reply = server.post("/api/generate", &generate("Hello", &schema, &json!({})).to_string());
        assert_eq!(reply.status, 400, "{schema}: {}", reply.text());
        let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(&format!("the keyword \"{keyword}\"")), "{schema}: {error}");
    }
    let long = json!({"description": "x".repeat(300_000)});
    assert_eq!(server.post("/api/generate", &generate("Hello", &long, &json!({})).to_string()).status, 400);
}
