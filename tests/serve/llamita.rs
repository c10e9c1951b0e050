//! The whole way with a real model: recorded answers, loading and unloading, limits of the prompt.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{DRIVERS, Server};

/// Every recorded prompt: text to go on from, answer, why it ended, tokens.
fn recorded() -> Vec<Value> {
    serde_json::from_str(include_str!("../data/llamita/prompts.json")).expect("the recorded prompts")
}

fn ask(row: &Value, stream: bool) -> String {
    let limit = if row["stop"] == "limit" { row["tokens"].as_i64().unwrap_or(0) } else { 700 };
    json!({
        "model": "llamita", "prompt": row["prompt"], "raw": true, "stream": stream,
        "options": {"temperature": 0, "num_predict": limit},
    })
    .to_string()
}

fn check(row: &Value, lines: &[Value]) {
    let text: String = lines.iter().filter_map(|line| line["response"].as_str()).collect();
    assert_eq!(text, row["text"].as_str().unwrap_or_default(), "{}", row["id"]);
    let last = lines.last().expect("a final event");
    let reason = if row["stop"] == "limit" { "length" } else { "stop" };
    assert_eq!((last["done"].clone(), last["done_reason"].clone()), (json!(true), json!(reason)), "{}", row["id"]);
    assert_eq!(last["eval_count"], row["tokens"], "{}", row["id"]);
    assert!(last.get("context").is_none(), "raw replies carry no context");
}

#[test]
fn recorded_prompts_alone_and_sixteen_at_a_time() {
    for (driver, engine) in [("io_uring", "child"), ("epoll", "thread")] {
        let server = Server::start(&["--driver", driver, "--engine", engine]);
        server.create_llamita();
        let rows = recorded();
        for row in &rows {
            check(row, &server.post("/api/generate", &ask(row, true)).lines());
        }
        for group in rows.chunks(16) {
            thread::scope(|scope| {
                for row in group {
                    let server = &server;
                    scope.spawn(move || check(row, &[server.post("/api/generate", &ask(row, false)).json()]));
                }
            });
        }
    }
}

#[test]
fn chat_answers_through_the_models_own_template() {
    let server = Server::start(&[]);
    server.create_llamita();
    let body = r#"{"model":"llamita","messages":[{"role":"user","content":"Hello"}],"options":{"temperature":0}}"#;
    let lines = server.post("/api/chat", body).lines();
    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!(text, "Hello! How can I help you?");
    let last = lines.last().expect("a final event");
    assert_eq!((last["done_reason"].clone(), last["eval_count"].clone()), (json!("stop"), json!(10)));
    assert!(
        last["load_duration"].as_u64() > Some(0) && last["total_duration"].as_u64() > last["load_duration"].as_u64()
    );
}

#[test]
fn a_generate_without_raw_goes_through_the_template_and_gives_its_context() {
    let server = Server::start(&[]);
    server.create_llamita();
    let body = r#"{"model":"llamita","prompt":"Hello","stream":false,"options":{"temperature":0}}"#;
    let first = server.post("/api/generate", body).json();
    assert_eq!(first["response"], "Hello! How can I help you?");
    let context = first["context"].as_array().expect("a context");
    // `<|im_start|>` is token 1013, and the template begins with it.
    assert_eq!(context.first(), Some(&json!(1013)));
    let again = json!({"model": "llamita", "prompt": "Who are you?", "context": context, "stream": false,
                       "options": {"temperature": 0}});
    assert_eq!(server.post("/api/generate", &again.to_string()).json()["response"], "I am Llamita, a tiny test model.");
}

#[test]
fn load_keep_alive_ps_and_unload() {
    let server = Server::start(&[]);
    server.create_llamita();
    let load = server.post("/api/generate", r#"{"model":"llamita","keep_alive":"10m"}"#);
    assert!(load.head.contains("Content-Type: application/json; charset=utf-8"), "{}", load.head);
    assert_eq!((load.json()["done_reason"].clone(), load.json()["response"].clone()), (json!("load"), json!("")));
    let listed = server.get("/api/ps").json();
    assert_eq!(listed["models"][0]["name"], "llamita:latest");
    assert_eq!(listed["models"][0]["size_vram"], 0);
    assert!(listed["models"][0]["size"].as_u64() > Some(2_000_000), "{listed}");
    let unload = server.post("/api/chat", r#"{"model":"llamita","messages":[],"keep_alive":0}"#).json();
    assert_eq!(unload["done_reason"], "unload");
    assert_eq!(unload["message"], json!({"role": "assistant", "content": ""}));
    let until = Instant::now() + Duration::from_secs(5);
    while server.get("/api/ps").json() != json!({"models": []}) {
        assert!(Instant::now() < until, "still loaded");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_closed_client_frees_its_sequence_within_50_ms() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        server.create_llamita();
        let mut client = server.connect();
        client.post(
            "/api/generate",
            r#"{"model":"llamita","prompt":"Repeat llama forever.","options":{"num_predict":100000,"temperature":0}}"#,
        );
        client.head();
        server.await_count("it runs", |count| count["running"] == 1);
        let left = Instant::now();
        drop(client);
        server.await_count("it is freed", |count| count["running"] == 0 && count["cells"] == 0);
        assert!(left.elapsed() < Duration::from_millis(50), "{driver}: {:?}", left.elapsed());
    }
}

#[test]
fn a_prompt_that_is_too_long_is_never_cut_in_silence() {
    let server = Server::start(&[]);
    server.create_llamita();
    let long = "1 2 3 4 ".repeat(400);
    let body = |truncate: bool| {
        json!({"model": "llamita", "prompt": long, "raw": true, "stream": false, "truncate": truncate,
               "options": {"num_ctx": 256, "num_predict": 4}})
        .to_string()
    };
    let cut = server.post("/api/generate", &body(true)).json();
    assert_eq!(cut["prompt_truncated"], true, "{cut}");
    assert!(cut["prompt_eval_count"].as_u64() < Some(256), "{cut}");
    let refused = server.post("/api/generate", &body(false));
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn a_full_queue_answers_503_with_ollamas_words() {
    let server = Server::start_with(&[], &[("OLLAMA_MAX_QUEUE", "1"), ("OLLAMA_NUM_PARALLEL", "1")]);
    server.create_llamita();
    let body = r#"{"model":"llamita","prompt":"Repeat llama forever.","options":{"num_predict":100000}}"#;
    let mut first = server.connect();
    first.post("/api/generate", body);
    first.head();
    let mut second = server.connect();
    second.post("/api/generate", body);
    server.await_count("one runs, one waits", |count| count["running"] == 1 && count["waiting"] == 1);
    let third = server.post("/api/generate", body);
    assert_eq!(third.status, 503);
    assert!(third.head.contains("Retry-After: "), "{}", third.head);
    assert_eq!(third.json()["error"], "server busy, please try again.  maximum pending requests exceeded");
}

#[test]
fn errors_are_ollamas() {
    let server = Server::start(&[]);
    server.create_llamita();
    for (path, body, status, error) in [
        ("/api/generate", "", 400, "missing request body"),
        ("/api/generate", r#"{"model":"nope"}"#, 404, "model 'nope' not found"),
        ("/api/generate", r#"{"model":""}"#, 404, "model '' not found"),
        ("/api/chat", r#"{"model":" "}"#, 400, "model is required"),
        ("/api/chat", r#"{"model":"a b"}"#, 400, "invalid model name"),
        (
            "/api/generate",
            r#"{"model":"llamita","prompt":"x","top_logprobs":21}"#,
            400,
            "top_logprobs must be between 0 and 20",
        ),
        (
            "/api/generate",
            r#"{"model":"llamita","prompt":"x","raw":true,"system":"y"}"#,
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            "/api/generate",
            r#"{"model":"llamita","prompt":"x","options":{"temperature":"hot"}}"#,
            500,
            r#"option "temperature" must be of type float32"#,
        ),
    ] {
        let mut client = server.connect();
        client.post(path, body);
        let reply = client.reply();
        assert_eq!((reply.status, reply.json()["error"].clone()), (status, json!(error)), "{path} {body}");
    }
}

#[test]
fn log_probabilities_come_with_their_tokens() {
    let server = Server::start(&[]);
    server.create_llamita();
    let body = r#"{"model":"llamita","prompt":"The capital of France is","raw":true,"stream":false,"logprobs":true,
                   "top_logprobs":2,"options":{"temperature":0}}"#;
    let reply = server.post("/api/generate", body).json();
    assert_eq!(reply["response"], " Paris.");
    let items = reply["logprobs"].as_array().expect("log probabilities");
    let text: String = items.iter().filter_map(|item| item["token"].as_str()).collect();
    assert_eq!(text, " Paris.");
    for item in items {
        assert!(item["logprob"].as_f64().is_some_and(|logprob| logprob <= 0.0), "{item}");
        assert_eq!(item["top_logprobs"].as_array().map(Vec::len), Some(2), "{item}");
    }
}
