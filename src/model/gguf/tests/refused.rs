//! A test for each way in which a file can be wrong, named after it.

use std::{io, slice};

use super::*;
use crate::config::limits::{
    GGUF_ALIGNMENT_MAX, GGUF_ARRAY_MAX, GGUF_LAYERS_MAX, GGUF_STRING_BYTES, GGUF_TENSOR_NAME_BYTES,
};
use GgufError as E;

/// The start of a file: version, number of tensors, number of keys.
fn start(version: u32, tensors: u64, keys: u64) -> Vec<u8> {
    [b"GGUF", &version.to_le_bytes()[..], &tensors.to_le_bytes(), &keys.to_le_bytes()].concat()
}

/// Reads a header and proves its tensors.
fn check(bytes: &[u8]) -> Result<(), E> {
    read(bytes)?.check_tensors(bytes.len() as u64)
}

/// Reads a header with one key.
fn with_key(key: Vec<u8>) -> E {
    read(&file(&[key], &[])).unwrap_err()
}

/// Checks a file with these tensors and 64 bytes of data.
fn with_tensors(tensors: &[Vec<u8>]) -> Result<(), E> {
    check(&file(&[], tensors))
}

fn number(name: &str, value: u32) -> Vec<u8> {
    key(name, 4, &value.to_le_bytes())
}

/// The keys of the smallest model that there is.
fn model_keys() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("general.architecture", key("general.architecture", 8, &text("a"))),
        ("a.block_count", number("a.block_count", 1)),
        ("a.context_length", number("a.context_length", 1)),
        ("a.embedding_length", number("a.embedding_length", 4)),
    ]
}

/// Checks that model with `extra` in the place of its key of that name, or behind its keys.
fn model_with(name: &str, extra: &[Vec<u8>]) -> Result<(), E> {
    let mut keys: Vec<_> = model_keys().into_iter().filter(|(key, _)| *key != name).map(|(_, key)| key).collect();
    keys.extend_from_slice(extra);
    let bytes = file(&keys, &[tensor("a", &[4], 0, 0)]);
    read(&bytes)?.check_model(bytes.len() as u64)
}

#[test]
fn no_gguf() {
    for bytes in [&b""[..], b"GGU", b"ggjt\x03\0\0\0", b"\0\0\0\0\0\0\0\0"] {
        assert!(matches!(read(bytes), Err(E::NotGguf)));
    }
}

#[test]
fn version_1_and_versions_to_come() {
    for version in [0, 1, 4, u32::MAX] {
        assert!(matches!(read(&start(version, 0, 0)), Err(E::Version(found)) if found == version));
    }
}

#[test]
fn big_endian() {
    for version in [1_u32, 2, 3, 4] {
        assert!(matches!(read(&start(version.swap_bytes(), 0, 0)), Err(E::BigEndian)));
    }
}

/// A file with all kinds of values, at every length; llamita at most lengths of its header.
#[test]
fn truncated_at_every_length() {
    let keys: Vec<_> = (0..=12)
        .map(|kind| {
            let value = match kind {
                8 => text("text"),
                9 => array(8, 2, &[text("a"), text("")].concat()),
                _ => vec![0; 8][..[1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize]].to_vec(),
            };
            key(&format!("k{kind}"), kind, &value)
        })
        .collect();
    let small = file(&keys, &[tensor("a", &[4, 2], 0, 0), tensor("b", &[8], 0, 32)]);
    let llamita = llamita();
    for (bytes, step) in [(&small, 1), (&llamita, 97)] {
        check(bytes).unwrap();
        let header = read(bytes).unwrap().header_bytes as usize;
        for length in (0..2000.min(header)).chain((2000..header).step_by(step)).chain([header - 1]) {
            match read(&bytes[..length]) {
                Err(E::Cut { .. }) => assert!(length >= 4),
                Err(E::NotGguf) => assert!(length < 4),
                other => panic!("{length} bytes: {other:?}"),
            }
        }
        assert!(matches!(check(&bytes[..header]), Err(E::Cut { .. })));
        assert!(matches!(check(&bytes[..bytes.len() - 1]), Err(E::Cut { .. })));
    }
}

#[test]
fn huge_counts() {
    assert!(matches!(read(&start(2, GGUF_TENSORS_MAX + 1, 0)), Err(E::TooManyTensors(_))));
    assert!(matches!(read(&start(3, u64::MAX, 0)), Err(E::TooManyTensors(u64::MAX))));
    assert!(matches!(read(&start(3, 0, GGUF_KEYS_MAX + 1)), Err(E::TooManyKeys(_))));
    assert!(matches!(read(&start(3, 0, u64::MAX)), Err(E::TooManyKeys(u64::MAX))));
    // Allowed, and more than the file holds.
    let wanted = GGUF_KEYS_MAX * 14;
    assert!(matches!(read(&start(3, 0, GGUF_KEYS_MAX)), Err(E::Cut { at: 24, wanted: w, left: 0 }) if w == wanted));
    let wanted = GGUF_TENSORS_MAX * 24;
    assert!(matches!(read(&start(3, GGUF_TENSORS_MAX, 0)), Err(E::Cut { at: 24, wanted: w, left: 0 }) if w == wanted));
}

#[test]
fn huge_arrays() {
    assert!(matches!(with_key(key("k", 9, &array(0, u64::MAX, &[]))), E::ArrayTooLong(u64::MAX)));
    assert!(matches!(with_key(key("k", 9, &array(8, GGUF_ARRAY_MAX + 1, &[]))), E::ArrayTooLong(_)));
    assert!(matches!(with_key(key("k", 9, &array(12, 1000, &[]))), E::Cut { wanted: 8000, .. }));
    assert!(matches!(with_key(key("k", 9, &array(8, 1000, &[]))), E::Cut { wanted: 8000, .. }));
}

#[test]
fn huge_strings() {
    assert!(matches!(with_key(key("k", 8, &u64::MAX.to_le_bytes())), E::StringTooLong { bytes: u64::MAX, .. }));
    let over = GGUF_STRING_BYTES + 1;
    assert!(matches!(with_key(key("k", 8, &over.to_le_bytes())), E::StringTooLong { bytes, .. } if bytes == over));
    assert!(matches!(with_key(key("k", 8, &1000_u64.to_le_bytes())), E::Cut { wanted: 1000, .. }));
    assert!(matches!(with_key(key(&"k".repeat(70_000), 0, &[1])), E::StringTooLong { bytes: 70_000, .. }));
    let most = GGUF_TENSOR_NAME_BYTES as usize;
    with_tensors(&[tensor(&"t".repeat(most), &[1], 0, 0)]).unwrap();
    assert!(matches!(with_tensors(&[tensor(&"t".repeat(most + 1), &[1], 0, 0)]), Err(E::StringTooLong { .. })));
}

/// Two arrays of 128 MiB each: allowed by themselves, too much together.
#[test]
fn huge_header() {
    let big = || io::repeat(0).take(8 * GGUF_ARRAY_MAX);
    let head = |name: &str| key(name, 9, &array(10, GGUF_ARRAY_MAX, &[]));
    let (first, second) = ([start(2, 0, 2), head("a")].concat(), head("b"));
    let reader = first.chain(big()).chain(&second[..]).chain(big());
    let error = Gguf::read(reader, u64::MAX, Arrays::Skip).unwrap_err();
    assert!(matches!(error, E::HeaderTooLong), "{error}");
}

#[test]
fn unknown_types_of_values() {
    assert!(matches!(with_key(key("k", 13, &[])), E::ValueType(13)));
    assert!(matches!(with_key(key("k", u32::MAX, &[])), E::ValueType(u32::MAX)));
    assert!(matches!(with_key(key("k", 9, &array(13, 1, &[]))), E::ValueType(13)));
    assert!(matches!(with_key(key("k", 9, &array(9, 1, &[]))), E::NestedArray));
}

#[test]
fn names_that_are_no_names() {
    assert!(matches!(with_key([&1_u64.to_le_bytes()[..], b"\xff", &[0; 5]].concat()), E::NotUtf8(24)));
    assert!(matches!(with_key(key("", 0, &[1])), E::EmptyKey));
    let twice = [key("k", 0, &[1]), key("k", 0, &[2])];
    assert!(matches!(read(&file(&twice, &[])), Err(E::DuplicateKey(name)) if name == "k"));
}

#[test]
fn duplicate_tensors() {
    let twice = [tensor("a", &[1], 0, 0), tensor("a", &[1], 0, 32)];
    assert!(matches!(with_tensors(&twice), Err(E::DuplicateTensor(name)) if name == "a"));
}

/// ggml takes none too, and a scalar. What they are good for is llama.cpp's to say: it knows the shapes.
#[test]
fn zero_dimensions() {
    with_tensors(&[tensor("scalar", &[], 28, 0), tensor("none", &[0, 5], 2, 32)]).unwrap();
    assert_eq!(read(&file(&[], &[tensor("none", &[5, 0], 0, 0)])).unwrap().parameters(), 0);
}

#[test]
fn negative_dimensions() {
    for (length, dimension) in [(u64::MAX, -1), (1 << 63, i64::MIN)] {
        let error = with_tensors(&[tensor("a", &[0, length], 0, 0)]).unwrap_err();
        assert!(matches!(error, E::NegativeDimension { dimension: found, .. } if found == dimension));
    }
}

#[test]
fn dimensions_beyond_all_files() {
    let fails = |row| with_tensors(&[row]).unwrap_err();
    assert!(matches!(fails(tensor("a", &[1; 5], 0, 0)), E::Dimensions { dimensions: 5, .. }));
    assert!(matches!(fails(tensor("a", &[1 << 62, 2], 0, 0)), E::TensorTooLarge(_)));
    assert!(matches!(fails(tensor("a", &[i64::MAX as u64; 4], 0, 0)), E::TensorTooLarge(_)));
    assert!(matches!(fails(tensor("a", &[1 << 61], 28, 0)), E::TensorTooLarge(_)));
}

#[test]
fn types_of_tensors() {
    let fails = |row| with_tensors(&[row]).unwrap_err();
    assert!(matches!(fails(tensor("a", &[4], 4, 0)), E::TensorType { kind: 4, .. }));
    assert!(matches!(fails(tensor("a", &[4], u32::MAX, 0)), E::TensorType { kind: u32::MAX, .. }));
    assert!(matches!(fails(tensor("a", &[33, 32], 2, 0)), E::PartialBlock(_)));
}

#[test]
fn offsets_past_the_end() {
    let good = tensor("a", &[4, 2], 0, 0);
    with_tensors(&[good.clone(), tensor("b", &[8], 0, 32)]).unwrap();
    assert!(matches!(with_tensors(&[tensor("a", &[17], 0, 0)]), Err(E::Cut { wanted: 68, left: 64, .. })));
    assert!(matches!(with_tensors(&[good.clone(), tensor("b", &[9], 0, 32)]), Err(E::Cut { wanted: 36, .. })));
    for offset in [32, 1 << 40, u64::MAX] {
        assert!(matches!(with_tensors(&[tensor("a", &[4], 0, offset)]), Err(E::Offset { expected: 0, .. })));
    }
    assert!(matches!(with_tensors(&[good, tensor("b", &[1], 0, 0)]), Err(E::Offset { expected: 32, .. })));
    let end = i64::MAX as u64;
    let tail = [tensor("a", &[end], 24, 0), tensor("b", &[end], 24, 1 << 63)];
    assert!(matches!(with_tensors(&tail), Err(E::Cut { .. })), "sums stay in range");
}

#[test]
fn zero_and_odd_alignment() {
    let with = |keys: &[Vec<u8>], offset| check(&file(keys, &[tensor("a", &[4], 0, 0), tensor("b", &[1], 0, offset)]));
    for alignment in [0, 3, 24, 33, GGUF_ALIGNMENT_MAX * 2, u32::MAX] {
        let error = with(&[number("general.alignment", alignment)], 32).unwrap_err();
        assert!(matches!(error, E::Alignment(found) if found == alignment));
    }
    for (kind, bytes) in [(8, text("32")), (10, 32_u64.to_le_bytes().to_vec()), (5, 32_i32.to_le_bytes().to_vec())] {
        assert!(matches!(with(&[key("general.alignment", kind, &bytes)], 32), Err(E::KeyType { .. })));
    }
    with(&[number("general.alignment", 16)], 16).unwrap();
    let error = with(&[number("general.alignment", 64)], 32).unwrap_err();
    assert!(matches!(error, E::Offset { expected: 64, .. }));
}

#[test]
fn missing_keys() {
    model_with("", &[]).unwrap();
    for (name, _) in model_keys() {
        assert!(matches!(model_with(name, &[]), Err(E::MissingKey(key)) if key == name));
    }
    assert!(matches!(
        model_with("general.architecture", &[key("general.architecture", 8, &text(""))]),
        Err(E::MissingKey(_))
    ));
    let keys: Vec<_> = model_keys().into_iter().map(|(_, key)| key).collect();
    let bytes = file(&keys, &[]);
    assert!(matches!(read(&bytes).unwrap().check_model(bytes.len() as u64), Err(E::NoTensors)));
}

#[test]
fn wrong_types_for_known_keys() {
    let numbers = array(4, 2, &[0; 8]);
    for (name, kind, value) in [
        ("general.architecture", 4, &[0; 4][..]),
        ("general.type", 7, &[1]),
        ("general.file_type", 8, &text("F16")),
        ("split.count", 6, &[0; 4]),
        ("tokenizer.chat_template", 9, &array(8, 1, &text("{{ x }}"))),
        ("tokenizer.ggml.model", 0, &[1]),
        ("tokenizer.ggml.tokens", 8, &text("a")),
        ("tokenizer.ggml.tokens", 9, &numbers),
        ("a.block_count", 6, &1_f32.to_le_bytes()),
        ("a.block_count", 9, &numbers),
        ("a.context_length", 5, &(-1_i32).to_le_bytes()),
        ("a.embedding_length", 7, &[1]),
        ("a.attention.head_count", 9, &array(6, 1, &[0; 4])),
        ("a.attention.head_count_kv", 8, &text("4")),
        ("a.feed_forward_length", 9, &array(4, GGUF_LAYERS_MAX + 1, &[0; 4 * 513])),
        ("a.pooling_type", 8, &text("mean")),
        ("a.vision.block_count", 12, &[0; 8]),
    ] {
        let error = model_with(name, &[key(name, kind, value)]).unwrap_err();
        assert!(matches!(&error, E::KeyType { key, .. } if key == name), "{name}: {error}");
    }
    let lists = [key("a.attention.head_count", 9, &numbers), key("a.feed_forward_length", 9, &array(5, 1, &[0; 4]))];
    model_with("", &lists).unwrap();
    model_with("a.block_count", &[key("a.block_count", 10, &1_u64.to_le_bytes())]).unwrap();
}

#[test]
fn layer_counts_and_lengths_beyond_limits() {
    for (name, value) in [
        ("a.block_count", 0),
        ("a.block_count", GGUF_LAYERS_MAX as u32 + 1),
        ("a.block_count", u32::MAX),
        ("a.context_length", 0),
        ("a.context_length", 1 << 31),
        ("a.embedding_length", 0),
        ("a.embedding_length", u32::MAX),
        ("a.pooling_type", 5),
        ("a.vision.block_count", 1 << 20),
        ("a.audio.block_count", 513),
    ] {
        let error = model_with(name, &[number(name, value)]).unwrap_err();
        assert!(matches!(&error, E::KeyRange { key, .. } if key == name), "{name}: {error}");
    }
    model_with("a.block_count", &[number("a.block_count", GGUF_LAYERS_MAX as u32)]).unwrap();
}

/// What a damaged header holds can still be listed: only what is loaded has to be right.
#[test]
fn facts_survive_wrong_types() {
    let keys = [
        key("general.architecture", 4, &[7; 4]),
        key("general.file_type", 8, &text("F16")),
        key("unknown.context_length", 8, &text("long")),
        key("tokenizer.chat_template", 0, &[1]),
    ];
    let facts = Facts::of(&read(&file(&keys, slice::from_ref(&tensor("a", &[3], 0, 99)))).unwrap());
    assert_eq!((facts.architecture.as_str(), facts.file_type, facts.context_length), ("unknown", "unknown", 0));
    assert_eq!((facts.chat_template, facts.parameters), (None, 3));
}

/// A file that shrinks while it is read, and one that cannot be read.
#[test]
fn readers_that_fail() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("/secret/path"))
        }
    }
    let bytes = llamita();
    let error = Gguf::read(&bytes[..5000], bytes.len() as u64, Arrays::Skip).unwrap_err();
    assert!(matches!(error, E::Cut { left: 0, .. }), "{error}");
    let error = Gguf::read(Broken, 100, Arrays::Skip).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
