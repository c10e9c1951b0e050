//! The GGUF reader on random files: valid ones read back equal, damaged ones are read or refused, and neither costs more
//! memory than a small multiple of the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use llamero::model::gguf::{Array, Arrays, Facts, Gguf, GgufError, Info, Items, Value};
use llamero::model::json;
use proptest::prelude::*;

#[path = "gguf/writer.rs"]
mod writer;

/// What a header may take in memory for each byte of the file: the shortest key, 14 bytes, has a name, a value and its
/// part of a tree in memory.
const MEMORY_FACTOR: usize = 16;
/// What the reader takes whatever the file is: its buffer, and one node of a tree.
const MEMORY_FIXED: usize = 128 * 1024;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator; each thread counts the bytes that it holds.
struct Counting;

fn grown(bytes: usize) {
    LIVE.with(|live| {
        live.set(live.get().wrapping_add(bytes));
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn shrunk(bytes: usize) {
    // What another thread allocated may be freed here.
    LIVE.with(|live| live.set(live.get().saturating_sub(bytes)));
}

// SAFETY: every call goes to the system's allocator unchanged; the counters themselves never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both at once, as if it had to move.
        grown(size);
        shrunk(layout.size());
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads a header and says how many bytes it held at its worst moment.
fn measured(bytes: &[u8], arrays: Arrays) -> (Result<Gguf, GgufError>, usize) {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let read = Gguf::read(bytes, bytes.len() as u64, arrays);
    (read, PEAK.with(Cell::get) - before)
}

/// Reads a header in both ways, looks at all that can be asked of it, and holds the memory against its bound.
fn read_and_ask(bytes: &[u8]) -> Result<Gguf, GgufError> {
    let [(skipped, less), (kept, more)] = [Arrays::Skip, Arrays::Keep].map(|arrays| measured(bytes, arrays));
    let most = bytes.len() * MEMORY_FACTOR + MEMORY_FIXED;
    assert!(less <= most && more <= most, "{less} and {more} bytes for {}", bytes.len());
    assert_eq!(skipped.is_ok(), kept.is_ok(), "{skipped:?} {kept:?}");
    for gguf in [&skipped, &kept].into_iter().flatten() {
        _ = Facts::of(gguf);
        _ = gguf.check_tensors(bytes.len() as u64);
        _ = gguf.check_model(bytes.len() as u64);
        for info in [Info::of_model(gguf), Info::of_projector(gguf)] {
            let text = json::to_vec(&info).expect("headers can be written as JSON");
            serde_json::from_slice::<serde_json::Value>(&text).expect("and read again");
        }
        json::to_vec(&gguf.tensors).expect("and so can tensors");
    }
    kept
}

/// A way to damage a file.
#[derive(Debug, Clone)]
enum Damage {
    Byte(u8),
    /// A count or a length, most of them far too large.
    Number(u64),
    /// Cuts the rest off.
    Cut,
    /// Takes out as many bytes.
    Remove(u8),
    /// Puts the bytes in front of the place behind it once more.
    Repeat(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => any::<u8>().prop_map(Damage::Byte),
        4 => prop::sample::select(vec![0, 1, 7, 9, 255, 1 << 16, 1 << 24, 1 << 31, 1 << 32, 1 << 62, 1 << 63, u64::MAX])
            .prop_map(Damage::Number),
        1 => Just(Damage::Cut),
        1 => (1_u8..40).prop_map(Damage::Remove),
        1 => (1_u8..80).prop_map(Damage::Repeat),
    ]
}

fn apply(bytes: &mut Vec<u8>, place: prop::sample::Index, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let at = place.index(bytes.len());
    match *damage {
        Damage::Byte(byte) => bytes[at] = byte,
        Damage::Number(number) => {
            let end = (at + 8).min(bytes.len());
            bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
        }
        Damage::Cut => bytes.truncate(at),
        Damage::Remove(count) => _ = bytes.drain(at..(at + usize::from(count)).min(bytes.len())),
        Damage::Repeat(count) => {
            let again = bytes[at.saturating_sub(count.into())..at].to_vec();
            bytes.splice(at..at, again);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_files_read_back_equal(file in writer::file()) {
        let bytes = file.write();
        let gguf = read_and_ask(&bytes).unwrap();
        prop_assert_eq!(gguf.version, file.version);
        let keys: BTreeMap<_, _> = file.all_keys().into_iter().collect();
        prop_assert_eq!(&gguf.values, &keys);
        let (offsets, _) = file.offsets();
        prop_assert_eq!(gguf.tensors.len(), file.tensors.len());
        for ((got, row), offset) in gguf.tensors.iter().zip(&file.tensors).zip(offsets) {
            let want = (&row.name, &row.dimensions, row.kind, offset, row.dimensions.iter().product::<u64>());
            prop_assert_eq!((&got.name, &got.dimensions, got.kind, got.offset, got.elements), want);
            prop_assert_eq!(got.bytes().unwrap(), row.bytes);
        }
        gguf.check_tensors(bytes.len() as u64).unwrap();
        // Nor is a byte of the last tensor to spare.
        if file.tensors.last().is_some_and(|row| row.bytes > 0) {
            let error = gguf.check_tensors(bytes.len() as u64 - 1).unwrap_err();
            let cut = matches!(error, GgufError::Cut { .. });
            prop_assert!(cut, "{}", error);
        }
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        file in writer::file(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let mut bytes = file.write();
        for (place, damage) in &damages {
            apply(&mut bytes, *place, damage);
        }
        _ = read_and_ask(&bytes);
    }

    /// As above, of a real model; most of the damage is done to its header.
    #[test]
    fn a_damaged_model_is_read_or_refused(
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        static LLAMITA: &[u8] = include_bytes!("data/llamita/llamita-f16.gguf");
        let mut bytes = LLAMITA[..40_000].to_vec();
        for (place, damage) in &damages {
            apply(&mut bytes, *place, damage);
        }
        _ = read_and_ask(&bytes);
    }
}

/// The files that take most memory for their size, cut short at the very end where that makes the reader give up late.
#[test]
fn the_dearest_files_stay_within_the_bound() {
    let names = |count: u32| (0..count).map(|number| format!("{number:x}"));
    let empty = writer::File { version: 3, alignment: None, keys: Vec::new(), tensors: Vec::new() };
    let keys = names(60_000).map(|name| (name, Value::U8(1))).collect();
    let row = |name| writer::Row { name, dimensions: Vec::new(), kind: 24, bytes: 1 };
    let texts = |text: &str| {
        let items = vec![text.to_owned(); 200_000];
        let array = Array { len: items.len() as u64, kind: 8, items: Some(Items::String(items)) };
        vec![("a".to_owned(), Value::Array(array))]
    };
    for file in [
        writer::File { keys, ..empty.clone() },
        writer::File { tensors: names(60_000).map(row).collect(), alignment: Some(1), ..empty.clone() },
        writer::File { keys: texts(""), ..empty.clone() },
        writer::File { keys: texts("x"), ..empty.clone() },
    ] {
        let bytes = file.write();
        read_and_ask(&bytes).unwrap();
        let short = bytes.len() - if file.tensors.is_empty() { 40 } else { 60_000 + 40 };
        read_and_ask(&bytes[..short]).unwrap_err();
    }
    // Each byte that is no UTF-8 becomes three.
    let mut bytes = writer::File { keys: texts("x"), ..empty }.write();
    bytes.iter_mut().filter(|byte| **byte == b'x').for_each(|byte| *byte = 0xff);
    read_and_ask(&bytes).unwrap();
}
