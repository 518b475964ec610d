//! Ctrl-C and SIGTERM: the first asks the work to stop at its next safe point, the second ends at once.
//!
//! Work that reaches no safe point is ended too, soon: all that is written is written atomically, so that the process may
//! end at any moment. Only a step that is known to take long, and a last checkpoint, are waited for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::exit::Exit;

/// Waited for at least, in milliseconds.
const LEAST: u64 = 1_500;
/// Waited for at most, in milliseconds.
const MOST: u64 = 60_000;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// When the work last asked whether to stop, and the time between the two last questions: milliseconds since the start.
static ASKED: AtomicU64 = AtomicU64::new(0);
static BETWEEN: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Listens for SIGINT, SIGTERM and SIGHUP from here on.
///
/// # Errors
/// When the operating system refuses the handler.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    now();
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(Exit::Interrupted as i32);
        }
        crate::output::urgent("stopping at the next safe point; once more ends at once");
        std::thread::spawn(end_in_time);
    })
}

/// Ends the process when the work does not.
fn end_in_time() {
    let since = now();
    let between = BETWEEN.load(Ordering::SeqCst);
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let heard = ASKED.load(Ordering::SeqCst) > since;
        if now() - since > patience(heard, between) {
            crate::output::urgent(
                "ended without a safe point: what is written is kept, and the same command goes on",
            );
            std::process::exit(Exit::Interrupted as i32);
        }
    }
}

/// How long the work has: to write what it has done once it knows, and else by how often it asked so far.
fn patience(heard: bool, between: u64) -> u64 {
    if heard { MOST } else { between.saturating_mul(3).clamp(LEAST, MOST) }
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    let time = now();
    let before = ASKED.swap(time, Ordering::SeqCst);
    BETWEEN.store(time.saturating_sub(before), Ordering::SeqCst);
    REQUESTED.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_safe_points_is_not_waited_for() {
        assert_eq!(patience(false, 10), LEAST);
        assert_eq!(patience(false, 5_000), 15_000);
        assert_eq!(patience(false, u64::MAX), MOST);
        assert_eq!(patience(true, 10), MOST);
    }
}
