//! Probes: what loads, what does not, and what is remembered of it.

use std::fs;
use std::sync::Arc;

use llamero::convert::Limits;
use llamero::model::Digest;
use llamero::store::Store;
use llamero::worker::{Rules, WorkError, Workshop};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::files::{header, with_bad_weights, with_key};
use crate::place::{Place, llamita};

/// What every sentence must be: about the file, and without a path of the machine.
fn is_fair(place: &Place, said: &str) -> bool {
    said.starts_with("400: ") && !said.contains(place.folder.path().to_str().unwrap()) && !said.contains("sha256-")
}

#[test]
fn a_model_that_loads_is_known_from_then_on() {
    let place = Place::new();
    assert_eq!(place.probe(&llamita()), "loads true 1024 2048");
    let digest = Digest::of(&llamita());
    let kept = fs::read_to_string(place.verdict(&digest)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let loads = r#"{"loads":{"writes_text":true,"vocabulary":1024,"trained_context":2048}}"#;
    assert_eq!(kept, format!(r#"{{"version":"{version}","verdict":{loads}}}"#));

    // After a restart nothing is started for it: there is no such program.
    let store = Arc::new(Store::open(place.folder.path()).unwrap());
    let workshop = Workshop::start("/no/such/program".into(), Rules::default()).unwrap();
    let probe = || workshop.probe(&store, digest).unwrap().wait(|_| true);
    assert_eq!(probe().unwrap().vocabulary, 1024);
    // Another version looks for itself.
    fs::write(place.verdict(&digest), kept.replace(version, "0.0.0")).unwrap();
    assert!(matches!(probe(), Err(WorkError::Process(_))));
}

#[test]
fn a_blob_that_is_missing_is_named() {
    let place = Place::new();
    let digest = Digest::of(b"missing");
    let error = place.workshop.probe(&place.store, digest).unwrap_err();
    assert_eq!(error.to_string(), format!("the blob {digest} does not exist: upload it first"));
}

#[test]
fn files_that_are_cut_short_are_refused() {
    let place = Place::new();
    let whole = llamita();
    for bytes in [0, 3, 4, 24, 1000, 20_000, 40_000, whole.len() / 2, whole.len() - 1] {
        let said = place.probe(&whole[..bytes]);
        assert!(is_fair(&place, &said) && said.contains("cannot be loaded"), "{bytes} bytes: {said}");
    }
}

#[test]
fn what_makes_llama_cpp_abort_costs_one_worker() {
    let place = Place::new();
    let rows = [
        (with_key("llama.block_count", [0; 4]), "GGML_ASSERT(hparams.n_layer_all > 0"),
        (with_key("layer_norm_rms_epsilon", (-1.0_f32).to_le_bytes()), "GGML_ASSERT(eps >= 0.0f) failed"),
    ];
    for (file, why) in rows {
        let said = place.probe(&file);
        assert!(said.starts_with("400: the model makes llama.cpp fail: ") && said.contains(why), "{said}");
        assert!(is_fair(&place, &said) && !said.contains(".cargo"), "{said}");
        let kept = fs::read_to_string(place.verdict(&Digest::of(&file))).unwrap();
        assert!(kept.contains(r#""verdict":{"crashed":"#), "{kept}");
        assert_eq!(place.probe(&file), said, "from memory");
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let place = Place::new();
    let said = place.probe(&with_bad_weights());
    assert!(is_fair(&place, &said) && said.contains("invalid data"), "{said}");
}

/// Whatever a few bytes of the header become: the answer is a verdict on the file.
#[test]
fn changed_headers_get_a_verdict() {
    let place = Place::new();
    let whole = llamita();
    let change = (header(&whole), any::<u8>());
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRunner::deterministic().rng().clone());
    let judged = runner.run(&prop::collection::vec(change, 1..6), |changes| {
        let mut file = whole.clone();
        for (at, byte) in changes {
            file[at] = byte;
        }
        let said = place.probe(&file);
        prop_assert!(said.starts_with("loads ") || is_fair(&place, &said), "{}", said);
        Ok(())
    });
    judged.unwrap();
    assert!(place.blobs().iter().all(|name| name.starts_with("sha256-")));
}

#[test]
fn a_probe_stays_within_its_memory() {
    let little = |_| Limits { memory_bytes: 24 * 1024 * 1024, ..Limits::of_probe(0) };
    let place = Place::with(Rules { probe: little, ..Rules::default() });
    assert_eq!(place.probe(&llamita()), "400: the model needs more memory than a file of its size may take");
    assert!(!place.verdict(&Digest::of(&llamita())).exists(), "another machine may have more");
}

#[test]
fn a_probe_stays_within_its_time() {
    let no_time = |_| Limits { milliseconds: 1, ..Limits::of_probe(0) };
    let place = Place::with(Rules { probe: no_time, ..Rules::default() });
    assert_eq!(place.probe(&llamita()), "400: the model took too long to be worked on");
    assert!(!place.verdict(&Digest::of(&llamita())).exists());
}
