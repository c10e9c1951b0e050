//! Looks at a run while it goes: for the timeline, and for who watches.

use std::rc::Rc;
use std::time::Instant;

use super::Load;
use crate::live::{Now, Phase, View};
use crate::timeline::LOOK_EVERY;

/// Looks between two pictures. Percentiles are sought for each, which takes this core some ten microseconds.
const LOOKS_A_PICTURE: u32 = 5;

/// Looks until it is stopped.
pub(super) async fn looks(load: Rc<Load>, view: Rc<Option<View>>) {
    let began = Instant::now();
    for look in 1_u32.. {
        load.timers.until(began + LOOK_EVERY * look).await;
        if load.cpu_after.get().is_none() {
            load.look();
        }
        if let Some(view) = view.as_ref()
            && look % LOOKS_A_PICTURE == 0
        {
            view.show(load.now(began));
        }
    }
}

impl Load {
    /// Adds to the timeline what came since the last look.
    pub(super) fn look(&self) {
        if let Some(timeline) = self.timeline.borrow_mut().as_mut() {
            timeline.look(Instant::now(), &mut self.tally.borrow_mut(), self.under_way.get());
        }
    }

    fn now(&self, began: Instant) -> Now {
        let (now, tally) = (Instant::now(), self.tally.borrow());
        let answered = tally.counted.requests + tally.left + tally.errors.values().sum::<u64>();
        Now {
            elapsed: now.saturating_duration_since(began),
            phase: match (tally.is_open(), self.cpu_after.get()) {
                (false, _) => Phase::Warmup,
                (true, None) => Phase::Counting,
                (true, Some(_)) => Phase::Draining,
            },
            done: self.plan.borrow().done(now, answered),
            counters: tally.live,
            errors: tally.failures(),
            under_way: self.under_way.get(),
            ttft: tally.ttft.p50_p99_ms(),
            itl: tally.itl.p50_p99_ms(),
            e2e: tally.e2e.p50_p99_ms(),
        }
    }
}
