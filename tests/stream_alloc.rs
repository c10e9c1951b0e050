//! A streamed token allocates nothing on its way from the writer to the slot's release.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use llamero::engine::wire::{Dialect, Framing, ReplyFormat};
use llamero::stream::back::Outbox;
use llamero::stream::frames::ReplyWriter;
use llamero::stream::front::CoreFront;
use llamero::stream::iobuf::{SlotBatch, SlotBuf};
use llamero::stream::region::Region;
use llamero::stream::wake::Eventfd;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator; each thread counts its own calls.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter itself never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

/// 16 streams for 1,000 steps: written, drained, half of them batched for one `writev`, freed, woken.
#[test]
fn no_allocation_per_token() {
    let region = Region::create(1).unwrap();
    let mut out = Outbox::new(&region, vec![Eventfd::new().unwrap()]);
    let front = CoreFront::new(Arc::clone(&region), 0);
    let format = |dialect| ReplyFormat { dialect, framing: Framing::Chunked, model: "smollm2:135m".to_owned() };
    let mut writers: Vec<_> = (0..16)
        .map(|key| ReplyWriter::new(0, key, &format([Dialect::Generate, Dialect::Chat][key as usize % 2])))
        .collect();
    let mut batch = SlotBatch::new();
    let mut bytes = 0;
    let mut step = |out: &mut Outbox| {
        for writer in &mut writers {
            writer.token(out, " a \"token\" <of> some length\n", &[]);
        }
        out.flush();
        let taken = front.drain(|key, slot| {
            bytes += slot.bytes().len();
            if key >= 8 {
                batch.push(SlotBuf::new(slot)).unwrap();
            }
        });
        assert_eq!(taken, Ok(16));
        batch.advance(batch.rest_bytes());
    };
    step(&mut out); // the first one may fill caches
    assert_eq!(allocations(|| (0..1000).for_each(|_| step(&mut out))), 0);
    assert!(bytes > 16 * 1001 * 100);
    assert_eq!(front.counters().copied_bytes, 0);
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) > 0, "the counter counts");
}
