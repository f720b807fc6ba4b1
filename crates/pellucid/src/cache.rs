//! What was planned for a model, kept for the next call: a bounded list, the least recently used going first.

use std::sync::{Arc, Mutex, PoisonError};

use pellucid_graph::Tensor;

use crate::explain::Ready;
use crate::model::Forward;
use crate::spec::Precision;

/// The most plans that a model keeps.
const MOST_PLANS: usize = 16;
/// The most bytes of weights that they hold in all; the plan used last is kept whatever it holds.
const MOST_BYTES: usize = 256 << 20;

/// What a plan depends on. Results do not depend on which plan of a model and a specification computes them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    /// Running the model up to some values.
    Run {
        symbols: Vec<usize>,
        precision: Precision,
        /// The inputs' shapes behind the rows.
        shapes: Vec<Vec<usize>>,
        /// The inputs that are one value for all rows.
        shared: Vec<Tensor>,
        /// The rows that run together, at most.
        rows: usize,
        /// As many as were asked for.
        tile: Option<usize>,
    },
    /// A method.
    Method {
        /// The digest of the specification.
        spec: String,
        shapes: Vec<Vec<usize>>,
        shared: Vec<Tensor>,
        /// The digest of the feature masks.
        masks: Option<String>,
        rows: usize,
    },
}

/// What is kept.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Run(Arc<Forward>),
    Method(Arc<Ready>),
}

/// Plans by what they depend on. Shared by the clones of a model; a lock is held only to look up and to put in.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    key: Key,
    kept: Kept,
    bytes: usize,
}

impl Cache {
    /// What is kept under a key, which becomes the one used last.
    pub(crate) fn get(&self, key: &Key) -> Option<Kept> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = entries.iter().position(|e| e.key == *key)?;
        let entry = entries.remove(place);
        let kept = entry.kept.clone();
        entries.push(entry);
        Some(kept)
    }

    /// Keeps a plan that holds about so many bytes; those used least recently make room.
    pub(crate) fn put(&self, key: Key, kept: Kept, bytes: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|e| e.key != key);
        entries.push(Entry { key, kept, bytes });
        let total = |entries: &[Entry]| entries.iter().fold(0usize, |sum, e| sum.saturating_add(e.bytes));
        while entries.len() > 1 && (entries.len() > MOST_PLANS || total(&entries) > MOST_BYTES) {
            entries.remove(0);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The number of plans.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
