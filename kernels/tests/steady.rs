//! Once it is warm, a sampler allocates nothing.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use llamero_kernels::sampling::{Params, Sampler, logprobs};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks for.
struct Counting;

// SAFETY: every call goes to `System` unchanged; the counter is a plain cell of this thread, without a destructor, so
// that it can be reached at any time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, hence from `System`, with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Samples and accepts `steps` tokens from rows that differ at every step.
fn run(sampler: &mut Sampler, row: &mut [f32], top: &mut Vec<(i32, f32)>, steps: std::ops::Range<usize>) {
    for step in steps {
        for (token, logit) in row.iter_mut().enumerate() {
            *logit = ((token * 7919 + step * 104_729) % 1009) as f32 / 100.0;
        }
        let token = sampler.sample(row);
        sampler.sample_among(row, &[u32::MAX, 0x5555_5555, 0]);
        logprobs(row, token, 5, top);
        sampler.accept((step * 31 % row.len()) as i32);
    }
}

#[test]
fn a_warm_sampler_does_not_allocate() {
    let defaults = Params {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.9,
        min_p: 0.0,
        typical_p: 1.0,
        repeat_last_n: 64,
        repeat_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        seed: 7,
    };
    let settings = [
        defaults,
        Params { temperature: 0.0, repeat_penalty: 1.1, ..defaults },
        Params { top_k: 0, top_p: 1.0, ..defaults },
        Params { top_k: 0, ..defaults },
        Params { typical_p: 0.7, min_p: 0.05, repeat_penalty: 1.1, frequency_penalty: 0.5, ..defaults },
    ];
    let mut row = vec![0.0; 4096];
    for params in settings {
        let (mut sampler, mut top) = (Sampler::new(params), Vec::new());
        run(&mut sampler, &mut row, &mut top, 0..300);
        let before = ALLOCATIONS.get();
        run(&mut sampler, &mut row, &mut top, 300..1500);
        assert_eq!(ALLOCATIONS.get(), before, "{params:?}");
    }
    assert!(ALLOCATIONS.get() > 0, "the counter counts");
}
