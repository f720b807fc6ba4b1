//! What a long piece of work needs from outside: threads, a flag to stop it, somebody to tell.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pellucid::engine::{Control, Profile};

use crate::error::{ErrorKind, Result};

/// Is told how the work goes. Every call does nothing unless implemented.
pub trait Listener: Sync {
    /// A stage begins, in a few words.
    fn stage(&self, name: &str) {
        let _ = name;
    }

    /// Something worth knowing that does not stop the work.
    fn notice(&self, text: &str) {
        let _ = text;
    }

    /// Rows were explained, from any thread.
    fn rows(&self, done: usize) {
        let _ = done;
    }

    /// A batch of an epoch is done: the share of all training that is behind, and the last epoch's losses on training
    /// and validation rows.
    fn training(&self, share: f64, epoch: usize, losses: Option<(f64, Option<f64>)>) {
        let _ = (share, epoch, losses);
    }
}

/// Nobody listens.
impl Listener for () {}

/// What a long piece of work runs with.
#[derive(Clone, Copy)]
pub struct Activity<'a> {
    /// The threads.
    pub pool: &'a rayon::ThreadPool,
    /// Set from outside to end the work early.
    pub cancel: &'a AtomicBool,
    /// Told how it goes.
    pub listener: &'a dyn Listener,
    /// Collects times of operators.
    pub profile: Option<&'a Mutex<Profile>>,
}

impl std::fmt::Debug for Activity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Activity").field("threads", &self.pool.current_num_threads()).finish_non_exhaustive()
    }
}

impl Activity<'_> {
    /// An error once the work was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// The same for the engine, with rows reported to `progress`.
    pub(crate) fn control<'b>(&'b self, progress: Option<&'b (dyn Fn(usize) + Sync)>) -> Control<'b> {
        Control { pool: self.pool, cancel: Some(self.cancel), progress, profile: self.profile }
    }
}
