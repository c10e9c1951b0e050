//! Making models of uploaded files.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use llamero::convert::Kind;
use llamero::model::{Digest, Manifest};
use llamero::store::{Converted, CreateError, CreateRequest, Listener, Step, Store, Tools};
use serde_json::{Value, json};

use crate::folder::{Folder, LLAMITA, data, expected, gguf, listed, llamita, model_gguf, name, number, upload, word};

/// Takes all weights for good, and converts none.
struct Trusting;

impl Tools for Trusting {
    fn probe(&self, _: Digest, _: &mut dyn Listener) -> Result<(), CreateError> {
        Ok(())
    }

    fn quantize(&self, _: Digest, _: Kind, _: &Step, _: &mut dyn Listener) -> Result<Converted, CreateError> {
        Err(CreateError::Weights { status: 503, reason: "nobody to convert weights".to_owned() })
    }
}

/// Runs a create request; what it said, then the error if there was one.
pub fn create(store: &Store, request: Value) -> Vec<String> {
    let request: CreateRequest = serde_json::from_value(request).unwrap();
    let mut said = Vec::new();
    let outcome = request.check().and_then(|plan| plan.run(store, &Trusting, &mut |step: Step| said.push(step.status)));
    if let Err(error) = outcome {
        said.push(format!("{}: {error}", error.status()));
    }
    said
}

#[test]
fn a_model_is_made_of_one_gguf() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let said = create(&store, json!({"model": "llamita", "files": {"llamita.gguf": LLAMITA}}));
    let layer = format!("using existing layer {LLAMITA}");
    assert_eq!(said, ["parsing GGUF", "verifying conversion", &layer, "writing manifest", "success"]);
    // The bytes of the manifest are those that Ollama wrote, but for the blob that it rewrote.
    let recorded =
        fs::read_to_string(data("stores/ollama/manifests/registry.ollama.ai/library/llamita/latest")).unwrap();
    let ours = recorded
        .replace("sha256:b1d713202df539adee8ee3e3a823866afd5a628fd66aba46628f60792902d82c", LLAMITA)
        .replace("2265632", "2265568");
    assert_eq!(fs::read_to_string(folder.manifest("llamita")).unwrap(), ours);
    let model = store.resolve(&name("llamita")).unwrap().unwrap();
    let mut details = expected()["tags"]["models"][0]["details"].clone();
    assert_eq!(serde_json::to_value(&model.details).unwrap(), details);
    assert_eq!(model.size(), 2_265_568 + 149);
    details["family"] = Value::Null;
    assert_ne!(serde_json::to_value(&model.details).unwrap(), details);
}

/// The texts of `mario`, given to a create of our own: the same layers in the same order.
#[test]
fn texts_become_the_layers_that_ollama_makes() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let request = json!({
        "name": "mario",
        "files": {"any-name": LLAMITA},
        "system": "You are Mario.",
        "license": ["first licence", "second licence"],
        "parameters": {"temperature": 0.5, "stop": ["<|im_end|>", "END"], "num_ctx": 1024},
        "messages": [{"content": "hello", "role": "user"}, {"role": "assistant", "content": "hi"}],
        "adapters": null, "template": "", "unknown": 1,
    });
    let said = create(&store, request.clone());
    assert_eq!(said.iter().filter(|line| line.starts_with("creating new layer sha256:")).count(), 5, "{said:?}");
    let layers = |bytes: &[u8]| -> Vec<_> {
        let manifest = Manifest::parse(bytes).unwrap();
        manifest.layers[1..].iter().map(|layer| (layer.media_type.clone(), layer.digest, layer.size)).collect()
    };
    let recorded = fs::read(data("stores/ollama/manifests/registry.ollama.ai/library/mario/latest")).unwrap();
    assert_eq!(layers(&fs::read(folder.manifest("mario")).unwrap()), layers(&recorded));
    let said = create(&store, request);
    assert_eq!(said.iter().filter(|line| line.starts_with("using existing layer sha256:")).count(), 6, "{said:?}");
}

#[test]
fn what_is_wrong_with_a_request_is_told_in_ollamas_words() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let text = upload(&store, b"not a model").to_string();
    let cut = upload(&store, &llamita()[..100_000]).to_string();
    let absent = format!("sha256:{}", "2".repeat(64));
    let table = [
        (json!({}), "400: invalid model name"),
        (json!({"model": "a b/c", "files": {"x.gguf": LLAMITA}}), "400: invalid model name"),
        (json!({"model": "x"}), "400: neither 'from' or 'files' was specified"),
        (json!({"model": "x", "files": null}), "400: neither 'from' or 'files' was specified"),
        (json!({"model": "x", "files": {}}), "400: unknown type"),
        (json!({"model": "x", "files": {"x": text}}), "400: unknown type"),
        (json!({"model": "x", "files": {"x": "sha256:1"}}), "400: unknown type"),
        (json!({"model": "x", "files": {"/etc/passwd": LLAMITA}}), "400: file path must be relative"),
        (json!({"model": "x", "files": {"a/../x.gguf": LLAMITA}}), "400: file path must be relative"),
        (json!({"model": "x", "files": {"./x.gguf": LLAMITA}}), "400: file path must be relative"),
        (json!({"model": "x", "files": {"x.gguf": ""}}), "400: invalid digest format"),
        (json!({"model": "x", "files": {"x.gguf": "sha256:1"}}), "parsing GGUF|400: invalid digest format"),
        (
            json!({"model": "x", "files": {"x.gguf": absent}}),
            "parsing GGUF|400: the blob {absent} does not exist: upload it first",
        ),
        (json!({"model": "x", "files": {"x.gguf": text}}), "parsing GGUF|400: supplied file was not in GGUF format"),
        (
            json!({"model": "x", "files": {"x.gguf": cut}}),
            "parsing GGUF|verifying conversion|400: the GGUF is cut short: 262144 bytes",
        ),
        (
            json!({"model": "x", "files": {"a.gguf": LLAMITA, "b.gguf": LLAMITA}}),
            "parsing GGUF|parsing GGUF|400: a model of more than one file is not supported yet",
        ),
        (
            json!({"model": "x", "files": {"a.safetensors": LLAMITA}}),
            "400: converting safetensors is not supported yet",
        ),
    ];
    for (request, want) in table {
        let said = create(&store, request.clone()).join("|");
        assert!(said.starts_with(&want.replace("{absent}", &absent)), "{request}: {said}");
        assert!(!said.contains(folder.0.path().to_str().unwrap()), "{said}");
    }
    assert_eq!(listed(&store), [""; 0]);
    assert_eq!(fs::read_dir(folder.0.path().join("manifests")).unwrap().count(), 0);
}

/// What comes with later work, and what no work will bring.
#[test]
fn what_is_not_supported_is_refused_in_a_sentence() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let table = [
        (json!({"model": "x", "adapters": {"a": ""}}), "400: invalid digest format"),
        (
            json!({"model": "x", "adapters": {"a": "b"}}),
            "400: an adapter of the weights ('adapters') is not supported yet",
        ),
        (json!({"model": "x", "draft_files": {"a": "b"}}), "400: a draft model ('draft_files') is not supported yet"),
        (json!({"model": "x", "draft_quantize": "q8_0"}), "400: --draft-quantize requires a DRAFT model"),
        (
            json!({"model": "x", "from": "y", "remote_host": "h"}),
            "400: a model that runs elsewhere ('remote_host') is not supported yet",
        ),
        (json!({"model": "x", "path": "Modelfile"}), "400: 'path' is no longer supported"),
        (
            json!({"model": "x", "files": {"x.gguf": LLAMITA}, "quantize": "q4_K"}),
            "parsing GGUF|verifying conversion|503: nobody to convert weights",
        ),
        (
            json!({"model": "x", "files": {"x.gguf": LLAMITA}, "quantize": "q9"}),
            "parsing GGUF|verifying conversion|500: unsupported quantization type Q9 - supported types are F32, F16, ",
        ),
        (
            json!({"model": "x", "files": {"x.gguf": LLAMITA}, "template": "{{ if }}"}),
            "400: template error: template: :1: ",
        ),
        (
            json!({"model": "x", "files": {"x.gguf": LLAMITA}, "info": {"context_length": 1.5}}),
            "400: info field \"context_length\" must be a non-negative integer",
        ),
        (
            json!({"model": "x", "files": {"x.gguf": LLAMITA}, "info": {"base_name": 1}}),
            "400: info field \"base_name\" must be a string",
        ),
    ];
    for (request, want) in table {
        let said = create(&store, request.clone()).join("|");
        assert!(said.starts_with(want), "{request}: {said}");
    }
    assert_eq!(listed(&store), [""; 0]);
}

/// GGUFs that are no model by themselves.
#[test]
fn parts_of_models_are_refused_by_name() {
    let folder = Folder::new();
    let store = folder.open();
    let table = [
        (vec![word("general.type", "adapter")], "a GGUF with an adapter"),
        (vec![word("general.type", "mmproj")], "a GGUF with a projector"),
        (vec![word("general.architecture", "clip")], "a GGUF with a projector"),
        (vec![word("general.architecture", "x"), number("x.vision.block_count", 2)], "a GGUF with a projector"),
        (vec![number("split.count", 2)], "a GGUF that is split into several files"),
    ];
    for (keys, what) in table {
        let digest = upload(&store, &gguf(&keys)).to_string();
        let said = create(&store, json!({"model": "x", "files": {"x.gguf": digest}}));
        assert_eq!(said, ["parsing GGUF".to_owned(), format!("400: {what} is not supported yet")]);
    }
}

/// A header that pools is an embedding model's: listed, but not for generate and chat.
#[test]
fn an_embedding_model_does_not_complete() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = upload(&store, &model_gguf("bert", &[number("bert.pooling_type", 1)]));
    let said = create(&store, json!({"model": "e", "files": {"e.gguf": digest.to_string()}}));
    assert_eq!(said.last().unwrap(), "success");
    let model = store.resolve(&name("e")).unwrap().unwrap();
    assert_eq!((model.capabilities.as_slice(), model.completes()), (&["embedding".to_owned()][..], false));
    assert_eq!(model.details.quantization_level, "unknown");
}

#[test]
fn blobs_that_no_manifest_names_any_more_go() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    let request = |model: &str, system: &str| json!({"model": model, "files": {"m.gguf": LLAMITA}, "system": system});
    create(&store, request("a", "one"));
    create(&store, request("b", "one"));
    let one = Digest::of(b"one");
    assert_eq!(folder.blobs().len(), 3, "weights, configuration, system");
    create(&store, request("A", "two"));
    assert_eq!(listed(&store).len(), 2, "case makes no second model");
    assert!(store.blobs().find(&one).is_some(), "the other model has it");
    // While a manifest cannot be read, nothing is removed.
    fs::write(folder.manifest("c"), "").unwrap_err();
    fs::create_dir_all(folder.manifest("c").parent().unwrap()).unwrap();
    fs::write(folder.manifest("c"), "?").unwrap();
    create(&store, request("b", "three"));
    assert!(store.blobs().find(&one).is_some());
    fs::remove_file(folder.manifest("c")).unwrap();
    create(&store, request("b", "four"));
    assert!(store.blobs().find(&Digest::of(b"three")).is_none(), "only the old manifest named it");
    assert!(store.blobs().find(&Digest::of(b"two")).is_some());
    assert!(store.resolve(&name("a")).unwrap().is_some());
}

/// A disk that fails while the manifest is written leaves the old model as it was.
#[test]
fn a_failed_create_keeps_the_old_model() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    create(&store, json!({"model": "a", "files": {"m.gguf": LLAMITA}}));
    // A folder where the manifest should go: the last rename fails.
    fs::create_dir_all(folder.manifest("b").join("in-the-way")).unwrap();
    let said = create(&store, json!({"model": "b", "files": {"m.gguf": LLAMITA}}));
    assert_eq!(said.last().unwrap(), "500: the model store could not be written: Is a directory (os error 21)");
    assert_eq!(listed(&store), ["a:latest"]);
    let left: Vec<_> = fs::read_dir(folder.0.path().join("manifests")).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays behind");
}

/// On a disk that is full the texts of a model that was not made would stay until the next start.
#[test]
fn what_a_failed_create_made_is_taken_back() {
    let folder = Folder::new();
    let store = folder.open();
    upload(&store, &llamita());
    create(&store, json!({"model": "a", "files": {"m.gguf": LLAMITA}, "system": "of a"}));
    let before = folder.blobs();
    fs::create_dir_all(folder.manifest("b").join("in-the-way")).unwrap();
    let request =
        json!({"model": "b", "files": {"m.gguf": LLAMITA}, "system": "of a", "license": "new", "parser": "x"});
    let said = create(&store, request);
    assert!(said.last().unwrap().starts_with("500: "), "{said:?}");
    assert_eq!(folder.blobs(), before);
}

/// Models are made, listed and looked up at once: no list misses a model that was there all the time.
#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let folder = Folder::recorded();
    let store = folder.open();
    upload(&store, &llamita());
    thread::scope(|scope| {
        for writer in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..5 {
                    let request = json!({"model": format!("w{writer}"), "files": {"m.gguf": LLAMITA}, "system": format!("{round}")});
                    assert_eq!(create(store, request).last().unwrap(), "success");
                }
            });
        }
        scope.spawn(|| {
            let before = Instant::now();
            while before.elapsed() < Duration::from_millis(300) {
                assert!(store.resolve(&name("mario")).unwrap().is_some());
                assert!(store.refresh().unwrap().list().len() >= 4);
            }
        });
    });
    assert_eq!(listed(&store).len(), 7);
    for writer in 0..3 {
        let model = store.resolve(&name(&format!("w{writer}"))).unwrap().unwrap();
        assert_eq!(model.system.as_deref(), Some("4"));
    }
}
