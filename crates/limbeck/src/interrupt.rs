//! Ctrl-C: the first asks the work to stop at its next safe point, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Listens for SIGINT, SIGTERM and SIGHUP from here on.
///
/// # Errors
/// When the operating system refuses the handler.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(Exit::Interrupted as i32);
        }
        crate::output::urgent("stopping at the next safe point; once more ends at once");
    })
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
