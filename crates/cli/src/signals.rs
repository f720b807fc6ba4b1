//! Ctrl-C, and the system's wish that the process ends, set a flag that the work looks at; a second one ends the process at once.
#![allow(clippy::exit)]

use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the work is to end.
pub(crate) static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Begins to listen.
pub(crate) fn listen() {
    // Without a handler Ctrl-C ends the process, and unfinished files are left under temporary names; that is no reason to stop.
    let _ = ctrlc::set_handler(|| {
        if CANCELLED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
}
