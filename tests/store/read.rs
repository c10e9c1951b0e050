//! Listing and resolving what is on disk.

use std::fs::{self, File};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use llamero::model::capabilities::{Formatter, TOOLS, VISION};
use serde_json::json;

use crate::folder::{Folder, expected, listed, name, upload};

/// `tags` of the recorded store, field by field.
#[test]
fn a_store_that_ollama_wrote_lists_as_ollama_lists_it() {
    let folder = Folder::recorded();
    let store = folder.open();
    let list = store.index().list();
    let want = expected()["tags"]["models"].as_array().unwrap().clone();
    assert_eq!(list.len(), want.len());
    for want in want {
        let short = want["name"].as_str().unwrap();
        let model = list.iter().find(|model| model.name.to_string() == short).unwrap();
        let modified = jiff::Timestamp::try_from(model.modified).unwrap();
        let got = json!({
            "name": short,
            "model": short,
            "modified_at": modified.to_string(),
            "size": model.size(),
            "digest": model.digest.hex(),
            "details": model.details,
            "capabilities": model.capabilities,
        });
        // As text, so that the order of the fields counts.
        assert_eq!(got.to_string(), want.to_string());
        assert!(model.completes());
    }
    let names: Vec<_> = list.iter().map(|model| model.name.to_string()).collect();
    assert_eq!(names, ["localhost:5000/team/mario:copy", "me/tmpl:v1", "mario:latest", "llamita:latest"]);
}

/// The `capabilities` of `show`, which requests are checked against, and who makes prompts.
#[test]
fn abilities_are_those_that_ollama_shows() {
    let folder = Folder::recorded();
    let store = folder.open();
    for (shown, want) in expected()["show"].as_object().unwrap() {
        let model = store.resolve(&name(shown)).unwrap().unwrap();
        let abilities = model.abilities(None);
        assert_eq!(json!(abilities.capabilities), want["capabilities"], "{shown}");
        assert!(abilities.has(TOOLS) && !abilities.has(VISION), "{shown}");
        assert_eq!(abilities.formatter, Formatter::Jinja, "{shown}");
    }
    let templated = store.resolve(&name("me/tmpl:v1")).unwrap().unwrap();
    for (go_templates, formatter) in [(Some(true), Formatter::GoTemplate), (Some(false), Formatter::Jinja)] {
        assert_eq!(templated.abilities(go_templates).formatter, formatter);
    }
    assert!(templated.template_error.is_none() && templated.go_side.as_ref().is_some_and(|side| !side.fills_in()));
}

#[test]
fn layers_are_read_with_the_model() {
    let folder = Folder::recorded();
    let store = folder.open();
    let mario = store.resolve(&name("mario")).unwrap().unwrap();
    let params = serde_json::to_value(&mario.params).unwrap();
    assert_eq!(params, json!({"num_ctx": 1024, "stop": ["<|im_end|>", "END"], "temperature": 0.5}));
    assert_eq!(mario.system.as_deref(), Some("You are Mario."));
    let messages = serde_json::to_value(&mario.messages).unwrap();
    assert_eq!(messages, expected()["show"]["mario"]["messages"]);
    let facts = mario.facts.as_ref().unwrap();
    assert_eq!(facts.chat_template.as_deref(), expected()["show"]["mario"]["template"].as_str());
    assert!(
        mario
            .weights
            .as_ref()
            .unwrap()
            .ends_with("blobs/sha256-b1d713202df539adee8ee3e3a823866afd5a628fd66aba46628f60792902d82c")
    );
    let tmpl = store.resolve(&name("me/tmpl:v1")).unwrap().unwrap();
    assert!(tmpl.template.as_ref().unwrap().contains("{{ .Prompt }}"));
    assert!(Arc::ptr_eq(facts, tmpl.facts.as_ref().unwrap()), "one GGUF, one header in memory");
}

#[test]
fn names_are_found_whatever_their_case() {
    let folder = Folder::recorded();
    let store = folder.open();
    for text in ["MARIO", "Mario:LATEST", "registry.OLLAMA.ai/Library/mario"] {
        let model = store.resolve(&name(text)).unwrap().unwrap();
        assert_eq!(model.name.to_string(), "mario:latest", "{text}");
    }
    assert!(store.resolve(&name("mario:v2")).unwrap().is_none());
    let table = [
        ("mario", "mario:latest"),
        ("MARIO:New", "mario:New"),
        ("ME/Luigi:V1", "me/Luigi:v1"),
        ("LOCALHOST:5000/Team/x", "localhost:5000/team/x:latest"),
        ("Luigi", "Luigi:latest"),
    ];
    for (text, spelling) in table {
        assert_eq!(store.index().spelling(&name(text)).to_string(), spelling);
    }
}

/// A second spelling of a stored name, as another program may write it: the exact one wins.
#[test]
fn the_exact_spelling_wins() {
    let folder = Folder::recorded();
    fs::create_dir_all(folder.manifest("Mario").parent().unwrap()).unwrap();
    fs::copy(folder.manifest("llamita"), folder.manifest("Mario")).unwrap();
    let store = folder.open();
    for text in ["Mario", "mario"] {
        assert_eq!(store.resolve(&name(text)).unwrap().unwrap().name, name(text));
    }
}

#[test]
fn unchanged_models_are_not_read_again_and_changed_ones_are() {
    let folder = Folder::recorded();
    let store = folder.open();
    assert!(store.lookup(&name("mario")).is_none(), "the manifest is seconds old: it may change unseen");
    thread::sleep(Duration::from_millis(2_100));
    let index = store.refresh().unwrap();
    let mario = index.find(&name("mario")).unwrap();
    assert!(Arc::ptr_eq(&index, &store.refresh().unwrap()), "nothing has changed");
    assert!(Arc::ptr_eq(&mario, &store.lookup(&name("MARIO")).unwrap()));
    assert!(store.lookup(&name("luigi")).is_none());

    // Rewritten in place with as many bytes and the old time, as an unkind program might.
    let path = folder.manifest("mario");
    let text = fs::read_to_string(&path).unwrap().replace("llamita:latest", "llamito:latest");
    fs::write(&path, text).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(mario.modified).unwrap();
    assert!(store.lookup(&name("mario")).is_none());
    let changed = store.resolve(&name("mario")).unwrap().unwrap();
    assert_eq!(changed.details.parent_model, "llamito:latest");
    assert_ne!(changed.digest, mario.digest);
    let other = name("localhost:5000/team/mario:copy");
    assert!(Arc::ptr_eq(&index.find(&other).unwrap(), &store.index().find(&other).unwrap()));

    fs::remove_file(&path).unwrap();
    assert!(store.lookup(&name("mario")).is_none());
    assert!(store.resolve(&name("mario")).unwrap().is_none());
    fs::create_dir_all(folder.manifest("new:1").parent().unwrap()).unwrap();
    fs::copy(folder.manifest("llamita"), folder.manifest("new:1")).unwrap();
    assert!(store.resolve(&name("new:1")).unwrap().is_some());
}

/// Two blobs of the recorded `mario`.
const SYSTEM: &str = "15d6cc3672414cc43b7557e04cbdcf5de584ee9a0bd1c8a2e77f4169e9fdd216";
const MESSAGES: &str = "6ded5ee1fc8149dd554a587643ca6222bac4505fecb5a231e353a29c2643b358";

/// A blob that is longer than the text of a layer may be.
const LONG: &str = "5555555555555555555555555555555555555555555555555555555555555555";

/// Whatever lies about in the folder of manifests, the good models are listed.
#[test]
fn what_is_broken_is_left_out() {
    let folder = Folder::recorded();
    let manifests = folder.0.path().join("manifests");
    let good = fs::read_to_string(folder.manifest("mario")).unwrap();
    let broken = [
        ("empty", String::new()),
        ("noise", "\0\u{1}{".to_owned()),
        ("list", "[]".to_owned()),
        ("blob", good.replace("15d6cc36", "00000000")),
        ("config", good.replace("41907159", "00000000")),
        ("weights", good.replace("b1d71320", "00000000")),
        ("traversal", good.replace("sha256:15d6", "sha256:../../")),
        ("params", good.replace("image.messages", "image.params")),
        ("messages", good.replace(MESSAGES, SYSTEM)),
        ("nogguf", good.replace("image.system", "image.model")),
        ("long", " ".repeat(5 * 1024 * 1024)),
        ("longtext", good.replace(SYSTEM, LONG)),
    ];
    fs::write(folder.blob(&format!("sha256:{LONG}")), "x".repeat(5 * 1024 * 1024)).unwrap();
    for (tag, text) in &broken {
        fs::write(folder.manifest(&format!("mario:{tag}")), text).unwrap();
    }
    fs::write(manifests.join("registry.ollama.ai/library/mario/-bad"), &good).unwrap();
    fs::write(manifests.join("registry.ollama.ai/shallow"), &good).unwrap();
    fs::create_dir_all(manifests.join("registry.ollama.ai/library/mario/deep/tag")).unwrap();
    fs::create_dir_all(manifests.join("empty/er")).unwrap();
    std::os::unix::fs::symlink("nowhere", manifests.join("dangling")).unwrap();
    let store = folder.open();
    assert_eq!(listed(&store).len(), 4, "{:?}", listed(&store));
    // Mended, a model comes back.
    fs::write(folder.manifest("mario:noise"), &good).unwrap();
    let absent = format!("sha256:{}", SYSTEM.replace("15d6cc36", "00000000"));
    fs::copy(folder.blob(&format!("sha256:{SYSTEM}")), folder.blob(&absent)).unwrap();
    assert!(store.resolve(&name("mario:noise")).unwrap().is_some());
    assert!(store.resolve(&name("mario:blob")).unwrap().is_some(), "its blob has come");
    assert_eq!(listed(&store).len(), 6);
}

/// Blobs of old times have a colon in their name. They are read where they lie.
#[test]
fn old_names_of_blobs_are_read() {
    let folder = Folder::recorded();
    for blob in folder.blobs() {
        let old = blob.replace('-', ":");
        fs::rename(folder.blob(&blob), folder.0.path().join("blobs").join(old)).unwrap();
    }
    let store = folder.open();
    assert_eq!(listed(&store).len(), 4);
    assert!(folder.blobs().iter().all(|blob| blob.starts_with("sha256:")));
}

/// A model that runs elsewhere has a configuration and nothing else.
#[test]
fn models_without_weights_are_listed() {
    let folder = Folder::new();
    let config =
        br#"{"remote_host":"https://ollama.com:443","remote_model":"big","capabilities":["completion","tools"]}"#;
    let store = folder.open();
    let digest = upload(&store, config);
    let path = folder.manifest("big:cloud");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        json!({"config": {"digest": digest.to_string(), "size": config.len()}, "layers": null}).to_string(),
    )
    .unwrap();
    let model = store.resolve(&name("big:cloud")).unwrap().unwrap();
    assert_eq!(model.config.remote_model.as_deref(), Some("big"));
    assert_eq!((model.weights.as_ref(), model.completes(), model.size()), (None, true, config.len() as u64));
}
