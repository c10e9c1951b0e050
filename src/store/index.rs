//! The models of the store, as the last scan found them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::Name;
use crate::store::Model;

/// An unchanging picture of the store.
#[derive(Debug, Default)]
pub struct Index {
    models: BTreeMap<Name, Arc<Model>>,
    /// The name under which each spelling without case is stored; the first where there are several.
    folded: HashMap<String, Name>,
}

impl Index {
    pub(super) fn new(models: BTreeMap<Name, Arc<Model>>) -> Self {
        let mut folded = HashMap::with_capacity(models.len());
        for name in models.keys() {
            folded.entry(name.fold()).or_insert_with(|| name.clone());
        }
        Self { models, folded }
    }

    /// The model of that name: spelled the same if there is one, else with other case.
    pub fn find(&self, name: &Name) -> Option<Arc<Model>> {
        let stored = || self.models.get(self.folded.get(&name.fold())?);
        self.models.get(name).or_else(stored).cloned()
    }

    /// All models, the last changed first, then by name.
    pub fn list(&self) -> Vec<Arc<Model>> {
        let mut models: Vec<_> = self.models.values().cloned().collect();
        // The map gives them by name, and the sort is stable.
        models.sort_by_key(|model| std::cmp::Reverse(model.modified));
        models
    }

    /// The name under which a model is to be written: that of a stored model where only case differs, else each part
    /// in the case in which some stored name has it (the behaviour page, section 0.11).
    pub fn spelling(&self, name: &Name) -> Name {
        if let Some(model) = self.find(name) {
            return model.name.clone();
        }
        let part = |of: fn(&Name) -> &str| {
            let wanted = of(name);
            let stored = || self.models.keys().map(of);
            if stored().any(|part| part == wanted) {
                return wanted;
            }
            stored().find(|part| part.eq_ignore_ascii_case(wanted)).unwrap_or(wanted)
        };
        let parts = [part(Name::host), part(Name::namespace), part(Name::model), part(Name::tag)];
        let [host, namespace, model, tag] = parts;
        // Case does not make a part invalid.
        Name::from_parts(host, namespace, model, tag).unwrap_or_else(|_| name.clone())
    }
}
