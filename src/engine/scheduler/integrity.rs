//! One check of everything that must hold between two steps. Simulations call it after each.

use std::collections::HashSet;

use super::Scheduler;

/// What does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Broken {
    /// The count of cells differs from what the sequences hold.
    #[error("{used} cells are counted as used, the sequences hold {held}")]
    Cells {
        /// As counted.
        used: usize,
        /// As held.
        held: usize,
    },
    /// More cells are occupied than there are.
    #[error("{used} of {total} cells are occupied")]
    Overcommitted {
        /// Of sequences that run and that left.
        used: usize,
        /// The pool.
        total: usize,
    },
    /// A sequence id is free and in use, or neither, or twice.
    #[error("{free} free and {running} used sequence ids do not make {total}")]
    Ids {
        /// Ids that are free.
        free: usize,
        /// Ids in use, or not given back yet.
        running: usize,
        /// All ids.
        total: usize,
    },
    /// A request is in two places, or its place is not where the index says.
    #[error("request {0} is not where it should be")]
    Misplaced(u64),
    /// A waiting request holds cells.
    #[error("request {0} waits and holds cells")]
    WaitingWithCells(u64),
    /// A request knows more tokens than its context holds.
    #[error("request {0} has outgrown its context")]
    Outgrown(u64),
}

impl Scheduler {
    /// Checks what must hold between two steps.
    ///
    /// # Errors
    /// With the first thing that does not.
    pub fn check_integrity(&self) -> Result<(), Broken> {
        self.check_cells()?;
        self.check_ids()?;
        self.check_places()
    }

    fn check_cells(&self) -> Result<(), Broken> {
        let (used, total) = (self.cells.used(), self.cells.total());
        let held: usize = self.running.iter().flatten().map(super::Sequence::computed).sum();
        if used != held {
            return Err(Broken::Cells { used, held });
        }
        let occupied = used + self.departed.cells();
        if occupied > total {
            return Err(Broken::Overcommitted { used: occupied, total });
        }
        Ok(())
    }

    fn check_ids(&self) -> Result<(), Broken> {
        let total = self.running.len();
        let departed = self.departed.ids();
        let ids: HashSet<_> = self.ids.free().iter().chain(&self.order).chain(departed).collect();
        let (free, running) = (self.ids.free().len(), self.order.len() + departed.len());
        let all_in_use = self.order.iter().all(|&id| self.running[id as usize].is_some());
        if ids.len() != total || free + running != total || !all_in_use {
            return Err(Broken::Ids { free, running, total });
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), Broken> {
        let mut seen = HashSet::new();
        for (place, sequence) in self.running.iter().enumerate() {
            let Some(sequence) = sequence else { continue };
            let id = sequence.id();
            if self.places.get(&id).map(|&at| at as usize) != Some(place) || !seen.insert(id) {
                return Err(Broken::Misplaced(id.0));
            }
        }
        for sequence in &self.waiting {
            let id = sequence.id();
            if self.places.contains_key(&id) || !seen.insert(id) {
                return Err(Broken::Misplaced(id.0));
            }
            if sequence.computed() != 0 {
                return Err(Broken::WaitingWithCells(id.0));
            }
        }
        let all = self.running.iter().flatten().chain(&self.waiting);
        match all.into_iter().find(|sequence| sequence.known().len() > sequence.limits().context) {
            Some(sequence) => Err(Broken::Outgrown(sequence.id().0)),
            None => Ok(()),
        }
    }
}
