//! Text in and out with a real model: prompts by every kind of template, thinking, calls of tools, gaps that are filled.

use serde_json::{Value, json};

use crate::models::{Variant, write};
use crate::server::Server;

/// Every recorded prompt.
fn recorded() -> Vec<Value> {
    serde_json::from_str(include_str!("../data/llamita/prompts.json")).expect("the recorded prompts")
}

/// What an answer consists of: thinking, content, calls as `[name, arguments]`.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    thinking: String,
    content: String,
    calls: Vec<Value>,
}

impl Answer {
    /// Takes a recorded text apart, as plainly as can be.
    fn of_text(text: &str) -> Self {
        let (thinking, rest) = match text.strip_prefix("<think>") {
            Some(rest) => rest.split_once("</think>").expect("the thinking ends"),
            None => ("", text),
        };
        let mut parts = rest.split("<tool_call>");
        let content = parts.next().unwrap_or_default().trim_start().to_owned();
        let call = |part: &str| {
            let call: Value = serde_json::from_str(part.split("</tool_call>").next().unwrap_or_default()).expect(part);
            json!([call["name"], call["arguments"]])
        };
        Self { thinking: thinking.trim().to_owned(), content, calls: parts.map(call).collect() }
    }

    /// Puts the events of a chat together.
    fn of_events(events: &[Value]) -> Self {
        let mut answer = Self::default();
        for event in events {
            let message = &event["message"];
            answer.content.push_str(message["content"].as_str().expect("content is always there"));
            answer.thinking.push_str(message["thinking"].as_str().unwrap_or_default());
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                assert_eq!(call["function"]["index"], answer.calls.len(), "{call}");
                let id = call["id"].as_str().expect("an id");
                assert!(id.starts_with("call_") && id.len() == 13, "{id}");
                answer.calls.push(json!([call["function"]["name"], call["function"]["arguments"]]));
            }
        }
        answer
    }
}

/// The recorded request as one for `/api/chat`: arguments of calls are objects there.
fn as_chat(row: &Value, stream: bool) -> Value {
    let request = &row["request"];
    let mut messages = request["messages"].clone();
    for call in messages.as_array_mut().into_iter().flatten().filter_map(|message| message.get_mut("tool_calls")) {
        for call in call.as_array_mut().into_iter().flatten() {
            let arguments = call["function"]["arguments"].as_str().expect("text").to_owned();
            call["function"]["arguments"] = serde_json::from_str(&arguments).expect("JSON");
        }
    }
    let limit = if row["stop"] == "limit" { row["tokens"].as_i64().unwrap_or(0) } else { 700 };
    let mut chat = json!({
        "model": "llamita", "messages": messages, "tools": request["tools"], "stream": stream,
        "options": {"temperature": 0, "num_predict": limit},
    });
    if let Some(think) = request["chat_template_kwargs"].get("enable_thinking") {
        chat["think"] = think.clone();
    }
    chat
}

#[test]
fn recorded_conversations_are_taken_apart() {
    let server = Server::start(&[]);
    server.create_llamita();
    let mut kinds = [0; 3];
    for row in recorded().iter().filter(|row| !row["request"]["messages"].is_null()) {
        let want = Answer::of_text(row["text"].as_str().expect("a text"));
        let whole = server.post("/api/chat", &as_chat(row, false).to_string()).json();
        assert_eq!(Answer::of_events(std::slice::from_ref(&whole)), want, "{whole}");
        let lines = server.post("/api/chat", &as_chat(row, true).to_string()).lines();
        assert_eq!(Answer::of_events(&lines), want, "{}", row["id"]);
        let (last, before) = lines.split_last().expect("a final event");
        assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &row["tokens"]), "{}", row["id"]);
        assert!(last["message"].get("tool_calls").is_none(), "calls come when they are complete: {last}");
        assert!(before.iter().all(|event| event["done"] == false));
        kinds[0] += 1;
        kinds[1] += usize::from(!want.thinking.is_empty());
        kinds[2] += usize::from(!want.calls.is_empty());
    }
    assert_eq!(kinds, [36, 5, 7], "conversations, with thinking, with calls");
}

#[test]
fn gaps_are_filled_by_tokens_or_by_the_template_that_has_a_suffix() {
    let server = Server::start(&[]);
    server.create_llamita();
    let template = "{{ if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}<|fim_middle|>{{ else }}{{ .Prompt }}{{ end }}";
    write(&server, "fim", Variant { template: Some(template), ..Variant::default() });
    // Where answers begin with thinking, what fills a gap does not.
    let config = json!({"renderer": "qwen3-vl-thinking", "parser": "qwen3-thinking"});
    write(&server, "thinks", Variant { config, ..Variant::default() });
    let mut filled = 0;
    for row in recorded() {
        let prompt = row["prompt"].as_str().expect("a prompt");
        let Some(rest) = prompt.strip_prefix("<|fim_prefix|>") else { continue };
        let (before, rest) = rest.split_once("<|fim_suffix|>").expect("a suffix");
        let behind = rest.strip_suffix("<|fim_middle|>").expect("the middle");
        for model in ["llamita", "fim", "thinks"] {
            let mut request = json!({"model": model, "prompt": before, "suffix": behind, "stream": false,
                                     "options": {"temperature": 0}});
            let reply = server.post("/api/generate", &request.to_string()).json();
            assert_eq!((&reply["response"], &reply["done_reason"]), (&row["text"], &json!("stop")), "{model}: {reply}");
            request["_debug_render_only"] = json!(true);
            let reply = server.post("/api/generate", &request.to_string()).json();
            assert_eq!(reply["_debug_info"]["rendered_template"], prompt, "{model}");
        }
        filled += 1;
    }
    assert_eq!(filled, 4);
}

/// Only what needs a renderer asks for one.
#[test]
fn a_renderer_that_there_is_not_fails_where_it_has_to_write() {
    let server = Server::start(&[]);
    server.create_llamita();
    write(&server, "odd", Variant { config: json!({"renderer": "nope"}), ..Variant::default() });
    let chat = json!({"model": "odd", "messages": [{"role": "user", "content": "Hello"}]});
    let reply = server.post("/api/chat", &chat.to_string());
    assert_eq!((reply.status, &reply.json()["error"]), (500, &json!("unknown renderer \"nope\"")));
    let raw = json!({"model": "odd", "prompt": "The capital of France is", "raw": true, "stream": false,
                     "options": {"temperature": 0}});
    assert_eq!(server.post("/api/generate", &raw.to_string()).json()["response"], " Paris.");
    let given = json!({"model": "odd", "prompt": "a", "template": "<{{ .Prompt }}>", "_debug_render_only": true});
    let reply = server.post("/api/generate", &given.to_string()).json();
    assert_eq!(reply["_debug_info"]["rendered_template"], "<a>");
}

#[test]
fn generate_splits_thinking_off_but_not_in_raw_mode() {
    let server = Server::start(&[]);
    server.create_llamita();
    let ask = |stream: bool| json!({"model": "llamita", "prompt": "What is 17 + 25?", "stream": stream, "options": {"temperature": 0}});
    let whole = server.post("/api/generate", &ask(false).to_string()).json();
    let thinking = "17 plus 25: 7 + 5 = 12, 1 + 2 + 1 = 4, so 42.";
    assert_eq!((&whole["thinking"], &whole["response"]), (&json!(thinking), &json!("42")));
    let context = whole["context"].as_array().expect("a context");
    assert!(context.contains(&json!(1015)) && context.contains(&json!(1016)), "the tags are in it: {whole}");
    let lines = server.post("/api/generate", &ask(true).to_string()).lines();
    let all = |field: &str| lines.iter().filter_map(|line| line[field].as_str()).collect::<String>();
    assert_eq!((all("thinking").as_str(), all("response").as_str()), (thinking, "42"));
    let mut raw = ask(false);
    raw["prompt"] = json!("<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n");
    raw["raw"] = json!(true);
    let raw = server.post("/api/generate", &raw.to_string()).json();
    assert_eq!(raw["response"], format!("<think>\n{thinking}\n</think>\n\n42"));
    assert!(raw.get("thinking").is_none());
}

#[test]
fn log_probabilities_survive_the_parser() {
    let server = Server::start(&[]);
    server.create_llamita();
    for stream in [false, true] {
        let body = json!({"model": "llamita", "messages": [{"role": "user", "content": "What is 17 + 25?"}],
                          "stream": stream, "logprobs": true, "options": {"temperature": 0}});
        let lines = server.post("/api/chat", &body.to_string()).lines();
        let items = lines.iter().flat_map(|line| line["logprobs"].as_array().cloned().unwrap_or_default());
        let text: String = items.filter_map(|item| item["token"].as_str().map(str::to_owned)).collect();
        assert_eq!(text, "<think>\n17 plus 25: 7 + 5 = 12, 1 + 2 + 1 = 4, so 42.\n</think>\n\n42");
    }
}

const MESSAGES: &str = "{{ range .Messages }}<|im_start|>{{ .Role }}\n\
    {{- if and (eq .Role \"assistant\") .Thinking }}\n<think>{{ .Thinking }}</think>{{ end }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n";
const TOOLS: &str = "{{ if .Tools }}<|im_start|>system\n# Tools\n<tools>\n{{ range .Tools }}{{ json .Function }}\n{{ end }}</tools>\n\
    To use one, write:\n<tool_call>\n{\"name\": NAME, \"arguments\": {ARGS}}\n</tool_call><|im_end|>\n{{ end }}\
    {{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}{{ range .ToolCalls }}{{ end }}{{ if .ToolCalls }}<tool_call>{{ end }}<|im_end|>\n{{ end }}<|im_start|>assistant\n";

fn chat(server: &Server, model: &str, content: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": content}], "stream": false,
                          "options": {"temperature": 0}});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    server.post("/api/chat", &body.to_string()).json()
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "description": "Get the weather for a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}

#[test]
fn go_templates_serve_where_they_are_asked_for() {
    let server = Server::start_with(&[], &[("OLLAMA_GO_TEMPLATE", "1")]);
    server.create_llamita();
    write(&server, "thinker", Variant { template: Some(MESSAGES), ..Variant::default() });
    write(&server, "caller", Variant { template: Some(TOOLS), ..Variant::default() });
    let asked = chat(&server, "thinker", "What is 17 + 25?", &json!({}));
    assert_eq!(asked["message"]["content"], "42", "{asked}");
    assert_eq!(asked["message"]["thinking"], "17 plus 25: 7 + 5 = 12, 1 + 2 + 1 = 4, so 42.");
    let refused = chat(&server, "thinker", "What is 17 + 25?", &json!({"think": false}));
    assert!(refused["message"]["content"].as_str().is_some_and(|text| text.starts_with("<think>")), "{refused}");
    assert!(refused["message"].get("thinking").is_none());

    let called = chat(&server, "caller", "What is the weather in Paris?", &json!({"tools": weather()}));
    assert_eq!(called["message"]["tool_calls"][0]["function"]["arguments"], json!({"city": "Paris"}), "{called}");
    assert_eq!((&called["message"]["content"], &called["done_reason"]), (&json!(""), &json!("stop")));
    let rendered = chat(&server, "caller", "hi", &json!({"_debug_render_only": true}));
    let prompt = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(rendered["_debug_info"], json!({"rendered_template": prompt}));
}

#[test]
fn what_a_model_cannot_do_is_refused_in_ollamas_words() {
    let server = Server::start_with(&[], &[("OLLAMA_GO_TEMPLATE", "1")]);
    server.create_llamita();
    write(&server, "plain", Variant { template: Some("{{ .Prompt }}"), ..Variant::default() });
    write(&server, "broken", Variant { template: Some("{{ if }}"), ..Variant::default() });
    write(&server, "nobody", Variant { config: json!({"renderer": "nope"}), ..Variant::default() });
    let user = json!([{"role": "user", "content": "hi"}]);
    for (path, body, status, error) in [
        (
            "/api/chat",
            json!({"model": "plain", "messages": user, "think": true}),
            400,
            "\"plain\" does not support thinking",
        ),
        (
            "/api/generate",
            json!({"model": "plain", "prompt": "x", "think": "low"}),
            400,
            "\"plain\" does not support thinking",
        ),
        (
            "/api/chat",
            json!({"model": "plain", "messages": user, "tools": weather()}),
            400,
            "registry.ollama.ai/library/plain:latest does not support tools",
        ),
        (
            "/api/chat",
            json!({"model": "llamita", "messages": [{"role": "user", "content": "x", "images": ["QUJD"]}]}),
            400,
            "registry.ollama.ai/library/llamita:latest does not support vision",
        ),
        ("/api/chat", json!({"model": "broken", "messages": user}), 500, "template: :1: missing value for if"),
        ("/api/generate", json!({"model": "broken", "prompt": "x"}), 500, "template: :1: missing value for if"),
        (
            "/api/generate",
            json!({"model": "plain", "prompt": "x", "template": "{{ if }}"}),
            500,
            "template: :1: missing value for if",
        ),
        ("/api/chat", json!({"model": "nobody", "messages": user}), 500, "unknown renderer \"nope\""),
    ] {
        let reply = server.post(path, &body.to_string());
        assert_eq!((reply.status, reply.json()), (status, json!({"error": error})), "{body}");
    }
    let off = chat(&server, "plain", "hi", &json!({"think": false, "_debug_render_only": true, "tools": []}));
    assert_eq!(off["_debug_info"]["rendered_template"], "hi");
}

#[test]
fn a_model_may_name_its_renderer_and_its_parser() {
    let server = Server::start(&[]);
    server.create_llamita();
    let named = json!({"renderer": "qwen3-coder", "parser": "qwen3"});
    write(&server, "named", Variant { config: named, ..Variant::default() });
    write(
        &server,
        "parsed",
        Variant { config: json!({"parser": "qwen3"}), template: Some(TOOLS), ..Variant::default() },
    );
    let rendered = chat(&server, "named", "hi", &json!({"_debug_render_only": true}));
    let prompt = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(rendered["_debug_info"]["rendered_template"], prompt, "{rendered}");
    let called = chat(&server, "parsed", "What is the weather in Paris?", &json!({"tools": weather()}));
    assert_eq!(called["message"]["tool_calls"][0]["function"]["name"], "get_weather", "{called}");
    let thinks = chat(&server, "parsed", "hi", &json!({"think": true}));
    assert_eq!(thinks["error"], "\"parsed\" does not support thinking", "its parser reads no thinking");
}

#[test]
fn a_conversation_begins_with_what_the_model_brings() {
    let server = Server::start(&[]);
    server.create_llamita();
    let messages = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HELLO"}]);
    let (system, messages) = (Some("You always answer in UPPERCASE."), Some(messages));
    write(&server, "mario", Variant { system, messages, ..Variant::default() });
    let turn = |role: &str, content: &str| format!("<|im_start|>{role}\n{content}<|im_end|>\n");
    let start = "<|im_start|>assistant\n";
    let own = [turn("user", "hello"), turn("assistant", "HELLO")].concat();
    let shout = turn("system", "You always answer in UPPERCASE.");
    for (path, body, prompt) in [
        ("/api/generate", json!({"prompt": "hi"}), [&shout, &own, &turn("user", "hi"), start].concat()),
        (
            "/api/generate",
            json!({"prompt": "hi", "system": "S"}),
            [&turn("system", "S"), &own, &turn("user", "hi"), start].concat(),
        ),
        ("/api/generate", json!({"prompt": "hi", "template": "[{{ .System }}|{{ .Prompt }}]"}), "[|hi]".to_owned()),
        (
            "/api/chat",
            json!({"messages": [{"role": "USER", "content": "hi"}]}),
            [&shout, &own, &turn("user", "hi"), start].concat(),
        ),
        (
            "/api/chat",
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "pre"}]}),
            [&shout, &own, &turn("user", "a"), start, "<think></think>pre"].concat(),
        ),
    ] {
        let mut body = body;
        body["model"] = json!("mario");
        body["_debug_render_only"] = json!(true);
        let reply = server.post(path, &body.to_string()).json();
        let rendered = reply["_debug_info"]["rendered_template"].as_str().unwrap_or_default();
        if body.get("template").is_some() {
            // Round by round: the model's own conversation, then the question.
            assert!(rendered.ends_with(&prompt), "{reply}");
        } else {
            assert_eq!(rendered, prompt, "{body}");
        }
    }
}
