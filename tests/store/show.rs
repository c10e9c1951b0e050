//! What is shown of the models in the folder that a real Ollama wrote.

use llamero::api::ollama::show::{ShowRequest, answer};
use llamero::store::Store;
use serde_json::{Value, json};

use crate::create::create;
use crate::folder::{Folder, LLAMITA, expected, llamita, model_gguf, name, number, upload, word};

fn show(store: &Store, model: &str, request: &ShowRequest) -> Value {
    let model = store.resolve(&name(model)).unwrap().unwrap();
    serde_json::from_slice(&answer(store, &model, request, None, None).unwrap().body).unwrap()
}

/// The recording without what Ollama's rewriting of the weights and its unordered maps made of it.
#[test]
fn models_are_shown_as_recorded() {
    let folder = Folder::recorded();
    let store = folder.open();
    let expected = expected();
    let shown = expected["show"].as_object().unwrap();
    assert_eq!(shown.len(), 4);
    for (model, want) in shown {
        let got = show(&store, model, &ShowRequest::default());
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut with_tensors = keys(want);
        let place = with_tensors.iter().position(|key| key == "model_info").unwrap();
        if keys(&got).contains(&"tensors".to_owned()) && !with_tensors.contains(&"tensors".to_owned()) {
            with_tensors.insert(place + 1, "tensors".to_owned());
        }
        assert_eq!(keys(&got), with_tensors, "{model}");
        for key in keys(want).iter().filter(|key| !matches!(key.as_str(), "modelfile" | "parameters" | "modified_at")) {
            assert_eq!(got[key], want[key], "{model}: {key}");
        }
        // Parameters come in any order in Ollama.
        let sorted = |value: &Value, key: &str| {
            let text = value[key].as_str().unwrap_or_default();
            let text = text.replace(folder.0.path().to_str().unwrap(), "{store}");
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        for key in ["modelfile", "parameters"] {
            assert_eq!(sorted(&got, key), sorted(want, key), "{model}: {key}");
        }
    }
}

#[test]
fn a_request_changes_what_is_shown() {
    let folder = Folder::recorded();
    let store = folder.open();
    let options = json!({"num_ctx": 7}).as_object().unwrap().clone();
    let got = show(&store, "mario", &ShowRequest { system: "other".into(), options, ..ShowRequest::default() });
    assert_eq!(got["system"], "other");
    let modelfile = got["modelfile"].as_str().unwrap();
    assert!(modelfile.contains("SYSTEM other\n") && modelfile.contains("PARAMETER num_ctx 7\n"), "{modelfile}");
    assert!(got["parameters"].as_str().unwrap().contains("num_ctx                        1024"), "{got}");
    let brief = show(&store, "llamita", &ShowRequest::default());
    let verbose = show(&store, "llamita", &ShowRequest { verbose: true, ..ShowRequest::default() });
    assert_eq!(brief["model_info"]["tokenizer.ggml.tokens"], Value::Null);
    assert_eq!(verbose["model_info"]["tokenizer.ggml.tokens"].as_array().unwrap().len(), 1024);
    assert_eq!(brief["tensors"], verbose["tensors"]);
    let model = store.resolve(&name("llamita")).unwrap().unwrap();
    let request = ShowRequest::default();
    let answered = answer(&store, &model, &request, None, Some("Llamita")).unwrap();
    let for_copilot: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(for_copilot["model_info"]["general.basename"], "Llamita");
}

/// Go templates decide on capabilities: by their variables, and by whether they are used at all.
#[test]
fn capabilities_follow_the_template() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    create(&store, json!({"model": "llamita", "files": {"l.gguf": LLAMITA}}));
    let bare = upload(&store, &model_gguf("llama", &[])).to_string();
    create(&store, json!({"model": "bare", "files": {"b.gguf": bare}}));
    let thinks =
        "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}";
    for (from, template, listed, shown) in [
        ("llamita", "{{ .Prompt }}", &["completion"][..], &["tools", "thinking", "completion"][..]),
        ("llamita", "{{ .Suffix }}", &["completion", "insert"], &["tools", "thinking", "completion"]),
        ("bare", "{{ .Suffix }}{{ .Tools }}", &["completion", "tools", "insert"], &["completion", "tools", "insert"]),
        ("bare", thinks, &["completion", "thinking"], &["completion", "thinking"]),
    ] {
        create(&store, json!({"model": "m", "from": from, "template": template}));
        let model = store.resolve(&name("m")).unwrap().unwrap();
        assert_eq!(model.capabilities, listed, "{template}");
        assert_eq!(model.subject(None).shown(), shown, "{template}");
    }
}

/// Models whose files have no header of weights: clients want an object all the same.
#[test]
fn numbers_that_are_missing_are_no_trouble() {
    let folder = Folder::new();
    let store = folder.open();
    let file = model_gguf("bert", &[number("bert.pooling_type", 1), word("general.name", "hidden")]);
    let digest = upload(&store, &file).to_string();
    create(&store, json!({"model": "e", "files": {"e.gguf": digest}}));
    let got = show(&store, "e", &ShowRequest::default());
    assert_eq!(got["capabilities"], json!(["embedding"]));
    assert_eq!(got["details"]["quantization_level"], "unknown");
    assert_eq!(got["template"], "{{ .Prompt }}");
    assert!(got["model_info"].get("general.name").is_none());
    assert_eq!(got["model_info"]["general.parameter_count"], 4);
}
