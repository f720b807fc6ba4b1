//! How long each operator took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time and calls of one node.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The stage it runs in.
    pub stage: &'static str,
    /// The node's name; a derivative's nodes carry the name of the node that they derive.
    pub name: Arc<str>,
    /// The operator.
    pub operator: &'static str,
    /// How often it ran.
    pub calls: u64,
    /// The time it took, over all threads.
    pub time: Duration,
}

/// Times by stage and step.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    stage: &'static str,
    entries: BTreeMap<(&'static str, usize), Entry>,
}

impl Profile {
    /// The stage to which what follows belongs.
    pub(crate) fn enter(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    pub(crate) fn add(&mut self, step: usize, name: &Arc<str>, operator: &'static str, time: Duration) {
        let stage = self.stage;
        let entry = self.entries.entry((stage, step)).or_insert_with(|| Entry {
            stage,
            name: Arc::clone(name),
            operator,
            calls: 0,
            time: Duration::ZERO,
        });
        entry.calls += 1;
        entry.time += time;
    }

    /// Adds another thread's times.
    pub fn merge(&mut self, other: &Self) {
        for (key, theirs) in &other.entries {
            match self.entries.get_mut(key) {
                Some(mine) => {
                    mine.calls += theirs.calls;
                    mine.time += theirs.time;
                }
                None => {
                    self.entries.insert(*key, theirs.clone());
                }
            }
        }
    }

    /// The entries, the longest first.
    pub fn entries(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by(|a, b| b.time.cmp(&a.time).then(a.name.cmp(&b.name)));
        entries
    }
}
