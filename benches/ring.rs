//! Frames through a region on one thread: written, published, drained, freed.
//!
//! Goal: what one frame costs both sides in CPU time, without the kernel. Not a goal: the time between two threads;
//! on a loaded machine that measures the scheduler.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llamero::engine::wire::{Dialect, Framing, ReplyFormat};
use llamero::stream::back::Outbox;
use llamero::stream::frames::ReplyWriter;
use llamero::stream::front::CoreFront;
use llamero::stream::region::Region;
use llamero::stream::slot::SlotHead;
use llamero::stream::wake::Eventfd;

/// Frames of one decode step.
const STREAMS: u64 = 64;

fn rig() -> (Outbox, CoreFront) {
    let region = Region::create(1).expect("a region");
    let out = Outbox::new(&region, vec![Eventfd::new().expect("an eventfd")]);
    (out, CoreFront::new(Arc::clone(&region), 0))
}

/// Takes and frees what was published; the bytes are looked at, so that the work cannot be dropped.
fn drain(front: &CoreFront) {
    let taken = front.drain(|_, slot| {
        black_box(slot.bytes());
    });
    assert_eq!(taken, Ok(STREAMS as usize));
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(STREAMS));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));

    group.bench_function("empty slots", |bencher| {
        let (mut out, front) = rig();
        let head = SlotHead { stream: 1, len: 0, status: 200, framing: Framing::Chunked, flags: 0, body_bytes: 0 };
        bencher.iter(|| {
            for _ in 0..STREAMS {
                out.slot(0).expect("a slot").commit(head);
            }
            drain(&front);
        });
    });
    for (name, dialect) in [("generate tokens", Dialect::Generate), ("chat tokens", Dialect::Chat)] {
        group.bench_function(name, |bencher| {
            let (mut out, front) = rig();
            let format = ReplyFormat { dialect, framing: Framing::Chunked, model: "smollm2:135m".to_owned() };
            let mut writers: Vec<_> = (0..STREAMS).map(|key| ReplyWriter::new(0, key, &format)).collect();
            bencher.iter(|| {
                for writer in &mut writers {
                    writer.token(&mut out, black_box(" token"), &[]);
                }
                drain(&front);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
