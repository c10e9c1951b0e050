//! The reader against llamita, against headers made by hand for each error, and against damaged ones.

use std::slice;

use proptest::prelude::*;

use super::*;

/// Every file that the tests read: the smallest real model.
fn llamita() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/llamita/llamita-f16.gguf")).unwrap()
}

fn read(bytes: &[u8]) -> Result<Gguf, GgufError> {
    Gguf::read(bytes, bytes.len() as u64, Arrays::Skip)
}

/// Reads a header and proves its tensors.
fn check(bytes: &[u8]) -> Result<(), GgufError> {
    read(bytes)?.check_tensors(bytes.len() as u64)
}

/// A header with these keys and tensors, already encoded, and 64 bytes of data.
fn file(keys: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((keys.len() as u64).to_le_bytes());
    bytes.extend(keys.concat());
    bytes.extend(tensors.concat());
    bytes.resize(bytes.len().next_multiple_of(32) + 64, 0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name), &kind.to_le_bytes()[..], value].concat()
}

fn array(kind: u32, len: u64, items: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), items].concat()
}

fn tensor(name: &str, dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut bytes = text(name);
    bytes.extend((dimensions.len() as u32).to_le_bytes());
    for length in dimensions {
        bytes.extend(length.to_le_bytes());
    }
    bytes.extend(kind.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

#[test]
fn llamita_is_read_as_recorded() {
    let bytes = llamita();
    let gguf = read(&bytes).unwrap();
    let facts = Facts::of(&gguf);
    assert_eq!((gguf.version, gguf.values.len(), gguf.tensors.len()), (3, 34, 47));
    assert_eq!((facts.architecture.as_str(), facts.file_type, facts.parameters), ("llama", "F16", 1_115_520));
    assert_eq!((facts.context_length, facts.embedding_length), (2048, 128));
    assert_eq!((facts.pools, facts.vision, facts.audio), (false, false, false));
    assert!(facts.chat_template.unwrap().starts_with("{%- if tools %}"));
    assert_eq!(gguf.get("tokenizer.ggml.tokens"), Some(&Value::Array(Array { len: 1024, items: None })));
    assert_eq!(gguf.get_own("rope.freq_base"), Some(&Value::F32(10_000.0)));
    gguf.check_tensors(bytes.len() as u64).unwrap();
}

#[test]
fn arrays_are_kept_when_asked_for() {
    let bytes = llamita();
    let gguf = Gguf::read(&bytes[..], bytes.len() as u64, Arrays::Keep).unwrap();
    let Some(Value::Array(Array { len: 1024, items: Some(Items::String(tokens)) })) = gguf.get("tokenizer.ggml.tokens")
    else {
        panic!("the tokens are missing");
    };
    assert_eq!((tokens.len(), tokens[1012].as_str()), (1024, "<|endoftext|>"));
    let all = file(
        &[
            key("b", 9, &array(7, 2, &[1, 0])),
            key("d", 9, &array(12, 1, &1.5_f64.to_le_bytes())),
            key("i", 9, &array(3, 2, &[0xff, 0xff, 1, 0])),
            key("s", 9, &array(8, 1, &[&2_u64.to_le_bytes()[..], b"\xc3a"].concat())),
        ],
        &[],
    );
    let gguf = Gguf::read(&all[..], all.len() as u64, Arrays::Keep).unwrap();
    let items: Vec<_> = gguf
        .values
        .values()
        .map(|value| match value {
            Value::Array(array) => array.items.clone().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let broken = Items::String(vec!["\u{fffd}a".to_owned()]);
    assert_eq!(items, [Items::Bool(vec![true, false]), Items::F64(vec![1.5]), Items::I16(vec![-1, 1]), broken]);
}

#[test]
fn numbers_are_found_whatever_their_width() {
    let table = [
        (0, &[200_u8][..], Some(200)),
        (1, &[0xff], None),
        (2, &[1, 2], Some(0x201)),
        (3, &[1, 0], Some(1)),
        (4, &[1, 0, 0, 0x80], Some(0x8000_0001)),
        (5, &[1, 0, 0, 0x80], None),
        (6, &1_f32.to_le_bytes(), None),
        (7, &[1], None),
        (10, &[0xff; 8], Some(u64::MAX)),
        (11, &[0xff; 8], None),
        (12, &1_f64.to_le_bytes(), None),
    ];
    for (kind, bytes, want) in table {
        let gguf = read(&file(&[key("k", kind, bytes)], &[])).unwrap();
        assert_eq!(gguf.get("k").unwrap().as_u64(), want, "type {kind}");
    }
}

/// One file for each way in which the key-values can be wrong.
#[test]
fn wrong_headers_have_their_error() {
    use GgufError as E;
    let start = |version: u32, tensors: u64, keys: u64| {
        [b"GGUF", &version.to_le_bytes()[..], &tensors.to_le_bytes(), &keys.to_le_bytes()].concat()
    };
    assert!(matches!(read(b""), Err(E::NotGguf)));
    assert!(matches!(read(b"ggjt\x03\0\0\0"), Err(E::NotGguf)));
    for version in [0, 1, 4, 3_u32.swap_bytes()] {
        assert!(matches!(read(&start(version, 0, 0)), Err(E::Version(found)) if found == version));
    }
    assert!(matches!(read(&start(2, GGUF_TENSORS_MAX + 1, 0)), Err(E::TooManyTensors(_))));
    assert!(matches!(read(&start(3, 0, u64::MAX)), Err(E::TooManyKeys(u64::MAX))));
    assert!(matches!(read(&start(3, 0, 1)), Err(E::Cut { at: 24, wanted: 8, left: 0 })));
    let one = |key: Vec<u8>| read(&file(&[key], &[])).unwrap_err();
    assert!(matches!(one(key("k", 13, &[])), E::ValueType(13)));
    assert!(matches!(one(key("k", 9, &array(13, 1, &[]))), E::ValueType(13)));
    assert!(matches!(one(key("k", 9, &array(9, 1, &[]))), E::NestedArray));
    assert!(matches!(one(key("k", 9, &array(0, u64::MAX, &[]))), E::ArrayTooLong(u64::MAX)));
    assert!(matches!(one(key("k", 9, &array(12, 1000, &[]))), E::Cut { wanted: 8000, .. }));
    assert!(matches!(one(key("k", 8, &u64::MAX.to_le_bytes())), E::StringTooLong { bytes: u64::MAX, .. }));
    assert!(matches!(one(key("k", 8, &1000_u64.to_le_bytes())), E::Cut { wanted: 1000, .. }));
    assert!(matches!(one([&1_u64.to_le_bytes()[..], b"\xff", &[0; 5]].concat()), E::NotUtf8(24)));
    assert!(matches!(one(key(&"k".repeat(70_000), 0, &[1])), E::StringTooLong { bytes: 70_000, .. }));
    let twice = [key("k", 0, &[1]), key("k", 0, &[2])];
    assert!(matches!(read(&file(&twice, &[])), Err(E::DuplicateKey(name)) if name == "k"));
}

/// Two arrays of 128 MiB each: allowed by themselves, too much together.
#[test]
fn a_header_may_not_be_too_long() {
    let big = || io::repeat(0).take(8 * GGUF_ARRAY_MAX);
    let head = |name: &str| key(name, 9, &array(10, GGUF_ARRAY_MAX, &[]));
    let start = [b"GGUF\x02\0\0\0".to_vec(), vec![0; 8], 2_u64.to_le_bytes().to_vec(), head("a")].concat();
    let second = head("b");
    let reader = start.chain(big()).chain(&second[..]).chain(big());
    let error = Gguf::read(reader, u64::MAX, Arrays::Skip).unwrap_err();
    assert!(matches!(error, GgufError::HeaderTooLong), "{error}");
}

#[test]
fn version_2_has_the_layout_of_version_3() {
    let mut bytes = llamita();
    let three = read(&bytes).unwrap();
    bytes[4] = 2;
    assert_eq!(Gguf { version: 3, ..read(&bytes).unwrap() }, three);
}

/// One file for each way in which the tensors can be wrong.
#[test]
fn wrong_tensors_have_their_error() {
    use GgufError as E;
    let good = tensor("a", &[4, 2], 0, 0);
    assert_eq!(read(&file(&[], slice::from_ref(&good))).unwrap().parameters(), 8);
    check(&file(&[], &[good.clone(), tensor("b", &[8], 0, 32)])).unwrap();
    check(&file(&[], &[tensor("scalar", &[], 28, 0), tensor("none", &[0, 5], 2, 32)])).unwrap();
    let fails = |tensors: &[Vec<u8>]| check(&file(&[], tensors)).unwrap_err();
    assert!(matches!(fails(&[good.clone(), good.clone()]), E::DuplicateTensor(name) if name == "a"));
    assert!(matches!(fails(&[tensor("a", &[1; 5], 0, 0)]), E::Dimensions { dimensions: 5, .. }));
    assert!(matches!(fails(&[tensor("a", &[1 << 62, 2], 0, 0)]), E::TensorTooLarge(_)));
    assert!(matches!(fails(&[tensor("a", &[u64::MAX, u64::MAX], 0, 0)]), E::TensorTooLarge(_)));
    assert!(matches!(fails(&[tensor("a", &[1 << 61], 28, 0)]), E::TensorTooLarge(_)));
    assert!(matches!(fails(&[tensor("a", &[4], 4, 0)]), E::TensorType { kind: 4, .. }));
    assert!(matches!(fails(&[tensor("a", &[33, 32], 2, 0)]), E::PartialBlock(_)));
    assert!(matches!(fails(&[tensor("a", &[4], 0, 32)]), E::Offset { offset: 32, expected: 0, .. }));
    assert!(matches!(fails(&[good.clone(), tensor("b", &[1], 0, 0)]), E::Offset { expected: 32, .. }));
    assert!(matches!(fails(&[tensor("a", &[17], 0, 0)]), E::Cut { wanted: 68, left: 64, .. }));
    for (kind, bytes) in [(4, &0_u32.to_le_bytes()[..]), (4, &24_u32.to_le_bytes()), (8, &text("32")), (10, &[0xff; 8])]
    {
        let keys = [key("general.alignment", kind, bytes)];
        assert!(matches!(check(&file(&keys, slice::from_ref(&good))), Err(E::Alignment(_))));
    }
    let keys = [key("general.alignment", 4, &64_u32.to_le_bytes())];
    assert!(matches!(check(&file(&keys, &[good, tensor("b", &[1], 0, 32)])), Err(E::Offset { expected: 64, .. })));
}

#[test]
fn file_types_have_ollamas_names() {
    for (number, name) in [(0, "F32"), (2, "Q4_0"), (15, "Q4_K_M"), (30, "unknown"), (32, "BF16"), (1 << 40, "unknown")]
    {
        assert_eq!(file_type_name(number), name);
    }
    let facts = Facts::of(&read(&file(&[], &[])).unwrap());
    assert_eq!((facts.architecture.as_str(), facts.file_type), ("unknown", "unknown"));
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
    assert!(matches!(error, GgufError::Cut { left: 0, .. }), "{error}");
    let error = Gguf::read(Broken, 100, Arrays::Skip).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// However long the file is, what is cut off is missed, and nothing else goes wrong.
#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = llamita();
    let header = read(&bytes).unwrap().header_bytes as usize;
    let lengths = (0..2000).chain((2000..header).step_by(97)).chain([header - 1]);
    for length in lengths {
        match read(&bytes[..length]) {
            Err(GgufError::Cut { .. }) => assert!(length >= 4),
            Err(GgufError::NotGguf) => assert!(length < 4),
            other => panic!("{length} bytes: {other:?}"),
        }
    }
    assert!(matches!(check(&bytes[..header]), Err(GgufError::Cut { .. })));
    assert!(matches!(check(&bytes[..bytes.len() - 1]), Err(GgufError::Cut { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Flipped bytes give a header or an error, never a panic, and skipping agrees with keeping.
    #[test]
    fn damaged_headers_are_read_or_refused(
        damage in prop::collection::vec((0_usize..6000, any::<u8>()), 1..8),
        length in 0_usize..40_000,
    ) {
        let mut bytes = llamita();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let whole = bytes.len();
        for length in [length, whole] {
            let part = &bytes[..length];
            let skipped = read(part);
            let kept = Gguf::read(part, length as u64, Arrays::Keep);
            prop_assert_eq!(skipped.is_ok(), kept.is_ok());
            if let Ok(gguf) = skipped {
                let _ = Facts::of(&gguf);
                let _ = gguf.check_tensors(length as u64);
            }
        }
    }
}
