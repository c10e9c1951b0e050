//! The reader against llamita and against headers made by hand. Random files are in `tests/gguf.rs`.

mod refused;
mod shown;

use super::*;

/// Every file that the tests read: the smallest real model.
fn llamita() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/llamita/llamita-f16.gguf")).unwrap()
}

fn read(bytes: &[u8]) -> Result<Gguf, GgufError> {
    Gguf::read(bytes, bytes.len() as u64, Arrays::Skip)
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
    assert_eq!(gguf.get("tokenizer.ggml.tokens"), Some(&Value::Array(Array { len: 1024, kind: 8, items: None })));
    assert_eq!(gguf.get_own("rope.freq_base"), Some(&Value::F32(10_000.0)));
    gguf.check_tensors(bytes.len() as u64).unwrap();
}

#[test]
fn arrays_are_kept_when_asked_for() {
    let bytes = llamita();
    let gguf = Gguf::read(&bytes[..], bytes.len() as u64, Arrays::Keep).unwrap();
    let Some(Value::Array(Array { len: 1024, kind: 8, items: Some(Items::String(tokens)) })) =
        gguf.get("tokenizer.ggml.tokens")
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

#[test]
fn version_2_has_the_layout_of_version_3() {
    let mut bytes = llamita();
    let three = read(&bytes).unwrap();
    bytes[4] = 2;
    assert_eq!(Gguf { version: 3, ..read(&bytes).unwrap() }, three);
}
