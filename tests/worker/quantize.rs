//! Quantizing: the blobs that come of it, how far it says it is, and what is left when it fails.

use std::fs;

use llamero::convert::{Kind, Limits, Progress};
use llamero::model::Digest;
use llamero::worker::{Quantized, Rules, Step, WorkError};

use crate::files::wide;
use crate::place::{LLAMITA, Place, llamita};

/// llamita as llama.cpp's own tool quantizes it.
const LLAMITA_Q8_0: &str = "sha256:4543519b51cd44bcfad8df7b439a0752faf6fea79763d1836ffcd15c3f6f7167";

fn quantize(place: &Place, source: &[u8], kind: &str) -> (Vec<Progress>, Result<Quantized, WorkError>) {
    let digest = place.upload(source);
    let mut heard = Vec::new();
    let task = place.workshop.quantize(&place.store, digest, kind.parse().unwrap()).unwrap();
    let outcome = task.wait(|progress| {
        heard.extend(progress);
        true
    });
    (heard, outcome)
}

#[test]
fn llamita_becomes_what_llama_cpp_makes_of_it() {
    let place = Place::new();
    let (heard, made) = quantize(&place, &llamita(), "q8_0");
    let made = made.unwrap();
    assert_eq!((made.digest.to_string().as_str(), made.bytes, made.is_new), (LLAMITA_Q8_0, 1_221_152, true));
    assert_eq!((made.facts.file_type, made.facts.parameters), ("Q8_0", 1_115_520));
    assert!(heard.is_sorted_by_key(|progress| progress.completed), "{heard:?}");
    let last = heard.last().copied().unwrap_or_default();
    assert!(last.total == 2_233_856 && heard.iter().all(|progress| progress.total == last.total), "{heard:?}");

    let path = place.store.blobs().find(&made.digest).unwrap();
    let bytes = fs::read(path).unwrap();
    assert_eq!((Digest::of(&bytes), bytes.len() as u64), (made.digest, made.bytes));
    assert_eq!(place.probe(&bytes), "loads true 1024 2048");
    assert_eq!(place.blobs(), [LLAMITA, LLAMITA_Q8_0].map(|digest| digest.replace(':', "-")));
    // Once more: the store has it.
    assert!(!quantize(&place, &llamita(), "q8_0").1.unwrap().is_new);
    // What has lost its precision gets no new one.
    let (_, again) = quantize(&place, &bytes, "q4_0");
    assert_eq!(again.unwrap_err().to_string(), "requantizing from type q8_0 is disabled");
    assert_eq!(place.blobs().len(), 2);
}

/// The name of the kind, and bytes for each block of 256 weights in the tensors that are not treated better.
const KINDS: [(&str, u64); 26] = [
    ("F32", 1024),
    ("F16", 512),
    ("BF16", 512),
    ("Q8_0", 272),
    ("Q6_K", 210),
    ("Q5_K_M", 176),
    ("Q5_K_S", 176),
    ("Q5_1", 192),
    ("Q5_0", 176),
    ("Q4_K_M", 144),
    ("Q4_K_S", 144),
    ("Q4_1", 160),
    ("Q4_0", 144),
    ("IQ4_NL", 144),
    ("IQ4_XS", 136),
    ("Q3_K_L", 110),
    ("Q3_K_M", 110),
    ("Q3_K_S", 110),
    ("IQ3_M", 110),
    ("IQ3_S", 110),
    ("Q2_K", 84),
    ("TQ1_0", 54),
    ("TQ2_0", 66),
    ("Q1_0", 36),
    ("Q2_0", 72),
    ("MXFP4_MOE", 272),
];

#[test]
fn every_kind_can_be_made_without_an_importance_matrix() {
    let place = Place::new();
    for (name, block) in KINDS {
        let (_, made) = quantize(&place, &wide(), name);
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(made.facts.file_type, name);
        // Six tensors of 256 blocks each; llama.cpp gives some of them more than the type says, never less.
        let weights = made.bytes - 1024;
        assert!((6 * 256 * block..6 * 256 * 1100).contains(&(weights + 1024)), "{name}: {weights} bytes");
        assert!(weights < 6 * 256 * block.max(170) * 5 / 4, "{name}: {weights} bytes");
    }
}

#[test]
fn nothing_stays_of_what_fails() {
    type Rule = fn(u64) -> Limits;
    let place = Place::new();
    let (_, cut) = quantize(&place, &llamita()[..100_000], "q8_0");
    let why = cut.unwrap_err().to_string();
    assert!(why.starts_with("the GGUF is cut short: 262144 bytes are wanted"), "{why}");
    let little: Rule = |_| Limits { memory_bytes: 24 * 1024 * 1024, ..Limits::of_quantizing(4 << 20) };
    let narrow: Rule = |_| Limits { written_bytes: 100_000, ..Limits::of_quantizing(4 << 20) };
    let rows = [
        (little, "the model needs more memory than a file of its size may take"),
        (narrow, "the model makes llama.cpp fail: its result is too long"),
    ];
    for (rule, why) in rows {
        let place = Place::with(Rules { quantize: rule, ..Rules::default() });
        let (_, failed) = quantize(&place, &llamita(), "q8_0");
        assert_eq!(failed.unwrap_err().to_string(), why);
        assert_eq!(place.blobs(), [LLAMITA.replace(':', "-")]);
    }
}

/// As on a network core, whose runtime must not block. The client leaves at the first sign of progress.
#[test]
fn leaving_ends_it() {
    let place = Place::new();
    let digest = place.upload(&llamita());
    let kind: Kind = "q8_0".parse().unwrap();
    let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().build().unwrap();
    runtime.block_on(async {
        let mut task = place.workshop.quantize(&place.store, digest, kind).unwrap();
        assert!(matches!(task.next().await, Step::Progress(_)));
    });
    // The next in line starts when the one before has been cleared away.
    runtime.block_on(async {
        let mut task = place.workshop.quantize(&place.store, digest, "f16".parse().unwrap()).unwrap();
        let made = loop {
            match task.next().await {
                Step::Progress(_) => {}
                Step::Done(made) => break made.unwrap(),
            }
        };
        assert_eq!(made.facts.file_type, "F16");
    });
    assert!(place.store.blobs().find(&LLAMITA_Q8_0.parse().unwrap()).is_none());
    assert!(place.blobs().iter().all(|name| name.starts_with("sha256-")), "{:?}", place.blobs());
}
