//! The search for the highest load: doubling until it is too much, then halving what lies between. No I/O.

/// Share of the load to which the limit is sought.
const PRECISION: f64 = 0.08;

/// A search, or a list of loads.
#[derive(Debug, Clone)]
pub struct Search {
    /// Loads that are given; empty for a search.
    given: Vec<f64>,
    from: f64,
    to: f64,
    /// Loads are whole numbers.
    whole: bool,
    tries: u32,
    /// The highest load that was kept, and the lowest that was not.
    kept: Option<f64>,
    missed: Option<f64>,
    tried: Vec<f64>,
}

impl Search {
    /// Tries these loads, in this order.
    pub fn given(levels: Vec<f64>) -> Self {
        let tries = levels.len() as u32;
        Self { given: levels, from: 1.0, to: 1.0, whole: false, tries, kept: None, missed: None, tried: Vec::new() }
    }

    /// Seeks from a load on, up to another, with so many tries.
    pub fn new(from: f64, to: f64, whole: bool, tries: u32) -> Self {
        Self { given: Vec::new(), from, to, whole, tries, kept: None, missed: None, tried: Vec::new() }
    }

    /// The next load to try; nothing when it is known well enough.
    pub fn next(&self) -> Option<f64> {
        if self.tried.len() >= self.tries as usize {
            return None;
        }
        if !self.given.is_empty() {
            return self.given.get(self.tried.len()).copied();
        }
        let next = match (self.kept, self.missed) {
            (None, None) => self.from.min(self.to),
            (Some(kept), None) => (kept * 2.0).min(self.to),
            (None, Some(missed)) => self.rounded(missed / 2.0),
            (Some(kept), Some(missed)) if missed - kept > kept * PRECISION => self.rounded(f64::midpoint(kept, missed)),
            _ => return None,
        };
        let useful = next > 0.0 && !self.tried.contains(&next);
        useful.then_some(next)
    }

    /// Says whether a load was kept.
    pub fn tell(&mut self, level: f64, kept: bool) {
        self.tried.push(level);
        if kept {
            self.kept = Some(self.kept.map_or(level, |most| most.max(level)));
        } else {
            self.missed = Some(self.missed.map_or(level, |least| least.min(level)));
        }
    }

    /// The highest load that was kept.
    pub fn best(&self) -> Option<f64> {
        self.kept
    }

    fn rounded(&self, level: f64) -> f64 {
        // Three digits are enough, and look better.
        if self.whole { level.floor() } else { format!("{level:.2e}").parse().unwrap_or(level) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeks a limit that is known: what was found, and the loads that were tried.
    fn seek(mut search: Search, limit: f64) -> (Option<f64>, Vec<f64>) {
        while let Some(level) = search.next() {
            search.tell(level, level <= limit);
            assert!(search.tried.len() <= 100);
        }
        (search.best(), search.tried)
    }

    #[test]
    fn whole_limits_are_found() {
        for limit in 1..=300 {
            let (best, tried) = seek(Search::new(1.0, 1024.0, true, 30), f64::from(limit));
            let best = best.unwrap();
            assert!(best <= f64::from(limit) && best > f64::from(limit) / 1.0801 - 1.0, "{limit}: {best} {tried:?}");
            assert!(tried.len() <= 14 && tried.iter().all(|level| level.fract() == 0.0), "{limit}: {tried:?}");
        }
        assert_eq!(seek(Search::new(1.0, 16.0, true, 30), 5.0), (Some(5.0), vec![1.0, 2.0, 4.0, 8.0, 6.0, 5.0]));
    }

    #[test]
    fn rates_are_found_from_above_and_below() {
        for (from, limit) in [(1.0, 37.3), (1.0, 0.2), (100.0, 3.7), (0.5, 812.0)] {
            let (best, tried) = seek(Search::new(from, 1000.0, false, 30), limit);
            let best = best.unwrap();
            assert!(best <= limit && best > limit / 1.09, "{limit}: {best} {tried:?}");
        }
    }

    #[test]
    fn ends_are_kept() {
        assert_eq!(seek(Search::new(1.0, 10.0, true, 30), 1e9), (Some(10.0), vec![1.0, 2.0, 4.0, 8.0, 10.0]));
        assert_eq!(seek(Search::new(8.0, 64.0, true, 30), 0.5), (None, vec![8.0, 4.0, 2.0, 1.0]));
        assert_eq!(seek(Search::new(50.0, 10.0, true, 30), 1e9), (Some(10.0), vec![10.0]));
        assert_eq!(seek(Search::new(1.0, 1e6, true, 3), 1e9).1.len(), 3, "tries are bounded");
        assert_eq!(seek(Search::new(1.0, 1e6, false, 20), 0.0).1.len(), 20, "for a rate that is never kept too");
    }

    #[test]
    fn given_loads_are_tried_in_order() {
        let (best, tried) = seek(Search::given(vec![4.0, 1.0, 64.0, 16.0]), 20.0);
        assert_eq!((best, tried), (Some(16.0), vec![4.0, 1.0, 64.0, 16.0]));
    }
}
