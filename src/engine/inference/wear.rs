//! When another engine should take this one's place (the design: after the last model has gone, which gives all device
//! memory back, and after memory ran out or a step failed, because nobody knows what state that left).

use super::Inference;
use crate::config::limits::SPENT_AGAIN_MS;
use crate::engine::backend::Backend;
use crate::engine::loader::LoadError;
use crate::engine::wire::Event;

/// What this engine has been through.
#[derive(Debug, Default)]
pub struct Wear {
    /// It has held a model.
    has_loaded: bool,
    /// Something failed that a fresh engine would not suffer from.
    is_worn: bool,
    /// When the supervisor may be told again.
    tell_at: u64,
}

impl Wear {
    /// A load has ended.
    pub fn note(&mut self, result: &Result<Box<dyn Backend>, LoadError>) {
        self.has_loaded |= result.is_ok();
        self.is_worn |= matches!(result, Err(LoadError::NoMemory));
    }
}

impl Inference {
    /// A step failed: all models go when their requests have ended, and then this engine.
    pub(super) fn worn(&mut self) {
        self.wear.is_worn = true;
        self.models.retire_all((self.clock)());
        self.carry_out();
    }

    /// Refuses those who wait for loads that stand still. The thread that loads may never come back, so this engine is worn.
    pub(super) fn look_at_loads(&mut self, now: u64) {
        if self.models.give_up_stalled(now) {
            tracing::error!("a load stands still and is given up");
            self.wear.is_worn = true;
        }
    }

    /// Tells the supervisor when this engine is spent and has nothing in hand; when to tell it again, if that stays so.
    pub(super) fn tell_spent(&mut self, now: u64) -> Option<u64> {
        let is_spent = self.settings.recycle
            && (self.wear.has_loaded || self.wear.is_worn)
            && self.desk.is_empty()
            && self.models.are_idle();
        if !is_spent {
            return None;
        }
        if now >= self.wear.tell_at {
            self.wear.tell_at = now.saturating_add(SPENT_AGAIN_MS * 1_000_000);
            self.tell(Event::Spent);
        }
        Some(self.wear.tell_at)
    }
}
