//! What a load would take is known before it: what cannot fit is refused, and the server lives on.

use serde_json::json;

use crate::server::Server;

/// llamita, which says that it was trained with `context` tokens.
fn llamita_of(context: u32) -> Vec<u8> {
    const KEY: &[u8] = b"llama.context_length";
    let mut bytes = include_bytes!("../data/llamita/llamita-f16.gguf").to_vec();
    let key = bytes.windows(KEY.len()).position(|window| window == KEY).expect("the key");
    // Behind the key stand the type and the number.
    let at = key + KEY.len() + 4;
    bytes[at..at + 4].copy_from_slice(&context.to_le_bytes());
    bytes
}

#[test]
fn a_context_that_no_memory_holds_is_refused_and_a_smaller_one_is_not() {
    for engine in ["child", "thread"] {
        let server = Server::start(&["--engine", engine]);
        server.create("long", &llamita_of(1 << 30));
        let ask = |options: serde_json::Value| {
            let body = json!({"model": "long", "prompt": "Hello", "stream": false, "options": options});
            server.post("/api/generate", &body.to_string())
        };
        let reply = ask(json!({"num_ctx": 1 << 30, "num_batch": 16384}));
        assert_eq!(reply.status, 500, "{engine}: {}", reply.text());
        let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(
            error.starts_with("model requires more system memory (") && error.contains(" TiB) than is available ("),
            "{error}"
        );
        assert!(error.ends_with(')'), "{error}");
        let reply = ask(json!({"temperature": 0}));
        assert_eq!(reply.json()["response"], "Hello! How can I help you?", "{engine}");
    }
}

#[test]
fn the_settings_of_the_kv_memory_reach_the_models() {
    let size = |environment: &[(&str, &str)]| {
        let server = Server::start_with(&[], environment);
        server.create_llamita();
        let reply = server.post("/api/generate", r#"{"model":"llamita","prompt":"Hello","stream":false}"#);
        assert_eq!(reply.status, 200, "{}", reply.text());
        server.get("/api/ps").json()["models"][0]["size"].as_u64().expect("a size")
    };
    let usual = size(&[]);
    let small = size(&[("OLLAMA_KV_CACHE_TYPE", "q8_0")]);
    // 16,384 cells of 5 layers, two rows of 64 numbers of 16 bits: q8_0 takes 34 bytes for 64. The log tells hundredths of
    // a mebibyte.
    let kv = 16384 * 5 * 2 * 64 * 2;
    assert!((usual - small).abs_diff(kv - kv * 34 / 64) < 20_000, "{usual}, and {small} with q8_0");
    let slow = size(&[("OLLAMA_FLASH_ATTENTION", "false")]);
    assert!(slow > usual + (16 << 20), "{slow} without flash attention, {usual} with it");
}
