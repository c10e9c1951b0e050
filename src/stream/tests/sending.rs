//! Slots as buffers of the runtime.

use std::io::Read;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use monoio::buf::{IoBuf, IoVecBuf};
use monoio::io::AsyncWriteRent;
use monoio::net::UnixStream;
use proptest::prelude::*;

use super::super::iobuf::{BATCH_MAX, SlotBatch, SlotBuf};
use super::Rig;
use crate::config::limits::SLOTS_PER_CORE;

/// What the kernel would read.
fn vectors(batch: &SlotBatch) -> Vec<&[u8]> {
    // SAFETY: that many iovecs are there, and each describes memory of a slot that the batch holds.
    unsafe {
        std::slice::from_raw_parts(batch.read_iovec_ptr(), batch.read_iovec_len())
            .iter()
            .map(|vector| std::slice::from_raw_parts(vector.iov_base.cast(), vector.iov_len))
            .collect()
    }
}

#[test]
fn a_slot_sends_itself_from_where_it_is() {
    let mut rig = Rig::new();
    rig.send(b"hello world");
    let mut buf = SlotBuf::new(rig.drain().unwrap().remove(0));
    let start = buf.read_ptr();
    assert!(rig.region.contains(start, buf.bytes_init()));
    assert_eq!(buf.bytes_init(), 11);
    buf.advance(6);
    assert_eq!((buf.read_ptr(), buf.bytes_init()), (start.wrapping_add(6), 5));
    let boxed = Box::new(buf);
    assert_eq!(boxed.read_ptr(), start.wrapping_add(6), "the bytes stay where they are when the handle moves");
    let mut spill = Vec::new();
    boxed.copy_to(&mut spill);
    assert_eq!(spill, b"world");
    assert_eq!(rig.front.counters().copied_bytes, 5);
}

#[test]
fn a_full_batch_gives_the_slot_back() {
    let mut rig = Rig::new();
    for _ in 0..=BATCH_MAX {
        rig.send(b"x");
    }
    let mut batch = SlotBatch::new();
    let mut slots = rig.drain().unwrap().into_iter().map(SlotBuf::new);
    for slot in slots.by_ref().take(BATCH_MAX) {
        batch.push(slot).unwrap();
    }
    let left = batch.push(slots.next().unwrap()).unwrap_err();
    assert_eq!(left.rest(), b"x");
    assert_eq!((batch.len(), batch.rest_bytes()), (BATCH_MAX, BATCH_MAX));
    batch.advance(BATCH_MAX);
    batch.push(left).unwrap();
    assert_eq!(batch.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any partial writes, and what is left at the end, read the same bytes as the slots hold, and free what is done.
    #[test]
    fn partial_writes(
        lengths in prop::collection::vec(0_usize..50, 0..=BATCH_MAX),
        writes in prop::collection::vec(0_usize..100, 0..20),
        head_start in 0_usize..50,
    ) {
        let mut rig = Rig::new();
        let mut expected = Vec::new();
        let mut batch = SlotBatch::new();
        for (index, &length) in lengths.iter().enumerate() {
            let payload = vec![index as u8; length];
            rig.send(&payload);
            let mut slot = SlotBuf::new(rig.drain().unwrap().remove(0));
            let skip = if index == 0 { head_start.min(length) } else { 0 };
            slot.advance(skip);
            expected.extend_from_slice(&payload[skip..]);
            batch.push(slot).unwrap();
        }
        let mut seen = Vec::new();
        for write in writes {
            let all = vectors(&batch).concat();
            prop_assert_eq!(all.len(), batch.rest_bytes());
            prop_assert_eq!(&all[..], &expected[seen.len()..]);
            let count = write.min(all.len());
            seen.extend_from_slice(&all[..count]);
            batch.advance(count);
            prop_assert_eq!(rig.front.counters().slots_out, batch.len());
        }
        seen.extend_from_slice(&vectors(&batch).concat());
        prop_assert_eq!(seen, expected);
        batch.advance(batch.rest_bytes());
        prop_assert!(batch.is_empty());
        prop_assert_eq!(rig.out.free_slots(0), SLOTS_PER_CORE);
    }
}

#[test]
fn through_a_socket() {
    let mut rig = Rig::new();
    for text in ["one ", "two ", "three"] {
        rig.send(text.as_bytes());
    }
    let mut slots = rig.drain().unwrap().into_iter().map(SlotBuf::new);
    let (ours, mut theirs) = StdStream::pair().unwrap();
    theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().build().unwrap();
    runtime.block_on(async {
        ours.set_nonblocking(true).unwrap();
        let mut stream = UnixStream::from_std(ours).unwrap();
        let (sent, slot) = stream.write(slots.next().unwrap()).await;
        assert_eq!(sent.unwrap(), slot.rest().len());
        drop(slot);
        let mut batch = SlotBatch::new();
        slots.for_each(|slot| batch.push(slot).unwrap());
        let (sent, mut batch) = stream.writev(batch).await;
        batch.advance(sent.unwrap());
        assert!(batch.is_empty());
    });
    drop(runtime); // closes the socket: the runtime does it by a submission of its own
    let mut read = String::new();
    theirs.read_to_string(&mut read).unwrap();
    assert_eq!(read, "one two three");
    assert_eq!(rig.front.counters().slots_out, 0);
    assert_eq!(rig.front.counters().copied_bytes, 0);
}
