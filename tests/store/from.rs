//! Making models of other models, and of the Modelfiles that older clients send.

use std::fs;

use llamero::model::{Digest, Manifest};
use serde_json::{Value, json};

use crate::create::create;
use crate::folder::{Folder, LLAMITA, data, llamita, model_gguf, name, upload};

/// A folder with the model `llamita`.
fn with_llamita(parameters: &Value) -> Folder {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let request = json!({"model": "llamita", "files": {"llamita.gguf": LLAMITA}, "parameters": parameters});
    assert_eq!(create(&store, request).last().unwrap(), "success");
    folder
}

fn manifest(folder: &Folder, name: &str) -> Manifest {
    Manifest::parse(&fs::read(folder.manifest(name)).unwrap()).unwrap()
}

/// The last words of the layers' media types, with what is in the small ones.
fn layers(folder: &Folder, name: &str) -> Vec<String> {
    let manifest = manifest(folder, name);
    let layers = manifest.layers.iter().map(|layer| {
        let kind = layer.media_type.rsplit('.').next().unwrap();
        let bytes = fs::read(folder.blob(&layer.digest.to_string())).unwrap();
        let text = if kind == "model" { "" } else { std::str::from_utf8(&bytes).unwrap().trim_end() };
        format!("{kind} {text}").trim_end().to_owned()
    });
    layers.collect()
}

/// The recorded store's `mario` and `tmpl` were made from `llamita`: ours have the same bytes, but for the blob that
/// Ollama rewrote.
#[test]
fn manifests_are_those_that_ollama_wrote() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    let template = fs::read_to_string(data(
        "stores/ollama/blobs/sha256-13584952422bdecb614b2071ce16c7e4fa90b37c89d7b99fec2c206d690c4292",
    ));
    let mario = json!({
        "model": "mario", "from": "llamita", "system": "You are Mario.", "license": ["first licence", "second licence"],
        "parameters": {"temperature": 0.5, "stop": ["<|im_end|>", "END"], "num_ctx": 1024},
        "messages": [{"content": "hello", "role": "user"}, {"role": "assistant", "content": "hi"}],
    });
    let said = create(&store, mario);
    assert_eq!(said[0], format!("using existing layer {LLAMITA}"));
    assert_eq!(said.iter().filter(|line| line.starts_with("creating new layer")).count(), 5, "{said:?}");
    assert_eq!(said[6..], ["writing manifest", "success"]);
    create(&store, json!({"model": "me/tmpl:v1", "from": "llamita:latest", "template": template.unwrap()}));
    for model in ["mario", "me/tmpl:v1"] {
        let path = data("stores/ollama/manifests").join(name(model).path());
        let recorded = fs::read_to_string(path)
            .unwrap()
            .replace("sha256:b1d713202df539adee8ee3e3a823866afd5a628fd66aba46628f60792902d82c", LLAMITA)
            .replace("2265632", "2265568");
        assert_eq!(fs::read_to_string(folder.manifest(model)).unwrap(), recorded, "{model}");
    }
}

#[test]
fn texts_replace_licences_add_up_and_parameters_merge() {
    let folder = with_llamita(&json!({"temperature": 0, "num_ctx": 2048}));
    let store = folder.open();
    let first = json!({
        "model": "a", "from": "llamita", "template": "{{ .Prompt }}", "system": "one", "license": "L1",
        "parameters": {"num_ctx": 512, "stop": ["x"]}, "messages": [{"role": "user", "content": "m1"}],
    });
    create(&store, first);
    let params = r#"params {"num_ctx":512,"stop":["x"],"temperature":0}"#;
    let message = r#"messages [{"role":"user","content":"m1"}]"#;
    assert_eq!(layers(&folder, "a"), ["model", "template {{ .Prompt }}", "system one", "license L1", params, message]);
    let second = json!({
        "model": "b", "from": "a", "system": "two", "license": ["L2", ""], "parameters": {"stop": "y"},
    });
    create(&store, second);
    let params = r#"params {"num_ctx":512,"stop":"y","temperature":0}"#;
    let all = ["model", "template {{ .Prompt }}", "license L1", message, "system two", "license L2", params];
    assert_eq!(layers(&folder, "b"), all);
    // Nothing is cleared by an empty text, and what is inherited names where it came from.
    create(&store, json!({"model": "c", "from": "b", "system": "", "template": "", "messages": [], "parameters": {}}));
    assert_eq!(layers(&folder, "c"), all);
    let from: Vec<_> = manifest(&folder, "c").layers.iter().map(|layer| layer.from.clone()).collect();
    assert_eq!(from[0].as_deref(), Some("b:latest"));
    assert_eq!(from.last().unwrap(), &None, "the parameters were written anew");
    assert_eq!(store.resolve(&name("c")).unwrap().unwrap().details.parent_model, "b:latest");
}

#[test]
fn a_model_may_be_made_from_itself() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    for system in ["one", "two"] {
        let said = create(&store, json!({"model": "LLAMITA", "from": "llamita", "system": system}));
        assert_eq!(said.last().unwrap(), "success");
    }
    assert_eq!(layers(&folder, "llamita"), ["model", "system two"]);
    assert!(store.blobs().find(&Digest::of(b"one")).is_none(), "only the model before had it");
}

#[test]
fn what_cannot_be_started_from_is_named() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    for (from, want) in [
        ("a b", "400: invalid model name"),
        (" ", "400: invalid model name"),
        ("llamita:cloud", "400: a model that runs elsewhere ('from') is not supported yet"),
        ("llamita:local:cloud", "400: use either :local or :cloud, not both: \"llamita:local:cloud\""),
        (
            "q8",
            "pulling manifest|400: the model 'q8:latest' is not here, and pulling what is missing is not supported yet",
        ),
    ] {
        let said = create(&store, json!({"model": "x", "from": from})).join("|");
        assert!(said.starts_with(want), "{from}: {said}");
    }
}

#[test]
fn weights_of_the_wanted_type_stay_and_quantized_ones_are_refused() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    let said = create(&store, json!({"model": "same", "from": "llamita", "quantize": "f16"}));
    assert_eq!(said.last().unwrap(), "success");
    assert_eq!(manifest(&folder, "same").layers[0].digest.to_string(), LLAMITA);
    let quantized = upload(&store, &model_gguf("llama", &[crate::folder::number("general.file_type", 7)]));
    create(&store, json!({"model": "q", "files": {"q.gguf": quantized.to_string()}}));
    let said = create(&store, json!({"model": "x", "from": "q", "quantization": "Q4_K_M"}));
    assert_eq!(said, ["500: quantization is only supported for F16, BF16 and F32 models"]);
}

#[test]
fn the_configuration_is_inherited_and_overridden() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    let request = json!({
        "model": "a", "from": "llamita", "renderer": "qwen3-coder", "parser": "qwen3", "requires": "0.14.0",
        "info": {
            "capabilities": ["vision"], "model_family": "mine", "base_name": "b", "quantization_level": "Q", "parameter_size": "9B",
            "context_length": 77, "embedding_length": 5, "unknown": [],
        },
    });
    create(&store, request);
    create(&store, json!({"model": "b", "from": "a", "parser": "ministral"}));
    let config = |model: &str| store.resolve(&name(model)).unwrap().unwrap().config.clone();
    let (a, b) = (config("a"), config("b"));
    assert_eq!((a.model_family.as_str(), a.model_families), ("mine", Some(vec!["mine".into(), "llama".into()])));
    assert_eq!((a.file_type.as_str(), a.model_type.as_str(), a.context_length, a.embedding_length), ("Q", "9B", 77, 5));
    assert_eq!(a.base_name.as_deref(), Some("b"));
    assert_eq!((b.renderer.as_deref(), b.parser.as_deref()), (Some("qwen3-coder"), Some("ministral")));
    assert_eq!((b.requires.as_deref(), b.capabilities), (Some("0.14.0"), vec!["vision".to_owned()]));
    assert_eq!((b.model_family.as_str(), b.context_length), ("llama", 0), "the weights tell again");
}

#[test]
fn architectures_bring_their_renderer_and_stop_text() {
    let folder = Folder::new();
    let store = folder.open();
    let gemma = upload(&store, &model_gguf("gemma4", &[])).to_string();
    let request = |more: Value| {
        let mut request = json!({"model": "g", "files": {"g.gguf": gemma}});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        create(&store, request);
        let model = store.resolve(&name("g")).unwrap().unwrap();
        (
            model.config.renderer.clone().unwrap(),
            model.config.parser.clone().unwrap(),
            model.params.get("stop").cloned(),
        )
    };
    let own = |text: &str| text.to_owned();
    assert_eq!(request(json!({})), (own("gemma4"), own("gemma4"), Some(json!(["<turn|>"]))));
    let given = json!({"renderer": "gemma4-small", "parameters": {"stop": ["x"]}});
    assert_eq!(request(given), (own("gemma4-small"), own("gemma4"), Some(json!(["x"]))));
    assert_eq!(request(json!({"renderer": "a", "parser": "b"})), (own("a"), own("b"), None));
}

/// What clients of 2024 send: the text of the Modelfile, its files uploaded and named by digest.
#[test]
fn the_modelfile_of_an_older_request_is_read() {
    let folder = with_llamita(&json!({}));
    let store = folder.open();
    let text = "FROM llamita\nSYSTEM \"\"\"be\nbrief\"\"\"\nPARAMETER stop a\nPARAMETER stop b\nPARAMETER num_ctx 64\n\
                LICENSE L\nMESSAGE user hi\nPARAMETER mirostat 1\n";
    create(&store, json!({"name": "m", "modelfile": text}));
    let params = r#"params {"num_ctx":64,"stop":["a","b"]}"#;
    let message = r#"messages [{"role":"user","content":"hi"}]"#;
    assert_eq!(layers(&folder, "m"), ["model", "system be\nbrief", "license L", params, message]);
    create(&store, json!({"name": "m", "modelfile": text, "system": "field", "parameters": {"num_ctx": 32}}));
    assert_eq!(layers(&folder, "m")[1], "system field");
    assert_eq!(layers(&folder, "m")[3], r#"params {"num_ctx":32,"stop":["a","b"]}"#);
    let said = create(&store, json!({"name": "d", "modelfile": format!("FROM @{LLAMITA}")}));
    assert_eq!(said[0], "parsing GGUF");
    assert_eq!(manifest(&folder, "d").layers[0].digest.to_string(), LLAMITA);
    for (text, want) in [
        ("SYSTEM x", "400: no FROM line"),
        ("FROM llamita\nPARAMETER nope 1", "400: unknown parameter 'nope'"),
        ("FROM ./model.gguf", "400: the server cannot read \"./model.gguf\": upload the file"),
        ("FROM llamita\nADAPTER @sha256:1", "400: an adapter of the weights (ADAPTER) is not supported yet"),
        ("FROM llamita\nDRAFT d", "400: a draft model (DRAFT) is not supported yet"),
    ] {
        let said = create(&store, json!({"name": "x", "modelfile": text})).join("|");
        assert!(said.starts_with(want), "{text}: {said}");
    }
}
