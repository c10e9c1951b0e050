//! Any bytes as a GGUF: no panic, skipping arrays agrees with keeping them, and what is read can be asked and shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llamero::model::gguf::{Arrays, Facts, Gguf, Info};
use llamero::model::json;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    let [skipped, kept] = [Arrays::Skip, Arrays::Keep].map(|arrays| Gguf::read(bytes, length, arrays));
    assert_eq!(skipped.is_ok(), kept.is_ok());
    for gguf in [&skipped, &kept].into_iter().flatten() {
        let facts = Facts::of(gguf);
        assert_eq!(facts.parameters, gguf.parameters());
        if gguf.check_model(length).is_ok() {
            gguf.check_tensors(length).expect("a model's tensors lie in its file");
            let weights = gguf.tensors.iter().map(|tensor| tensor.bytes().expect("and have known types"));
            assert!(weights.sum::<u64>() < length);
        }
        for info in [Info::of_model(gguf), Info::of_projector(gguf)] {
            json::to_vec(&info).expect("headers can be written as JSON");
        }
        json::to_vec(&gguf.tensors).expect("and so can tensors");
    }
});
