//! A listener that notes when each step ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use limbeck::data::progress::Progress;

use super::process;

/// Steps left out at the beginning, while caches fill and buffers find their places.
pub(super) const WARM_UP: usize = 3;

/// Steps that a run needs so that `timed` of them count: the last one also writes a checkpoint.
pub(super) fn steps_for(timed: usize) -> usize {
    WARM_UP + timed + 1
}

/// Stamps the end of every step of a training, and tells another listener of it.
pub(super) struct Stamps<'a> {
    listener: &'a dyn Progress,
    timed: usize,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    ends: Vec<Instant>,
    faults: [Option<u64>; 2],
    peak_rss_mib: Option<f64>,
}

/// What was seen of the timed steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed {
    /// Milliseconds of each step, in order.
    pub(super) ms: Vec<f64>,
    /// Minor page faults a step.
    pub(super) faults_per_step: Option<f64>,
    /// Largest resident memory up to the last timed step.
    pub(super) peak_rss_mib: Option<f64>,
}

impl<'a> Stamps<'a> {
    /// Stamps for a run of [`steps_for`] `timed` steps.
    pub(super) fn new(listener: &'a dyn Progress, timed: usize) -> Self {
        Self { listener, timed, notes: Mutex::default() }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The timed steps; fewer than asked for when the run was stopped.
    pub(super) fn timed(&self) -> Timed {
        let notes = self.notes();
        let ends = notes.ends.iter().skip(WARM_UP - 1).take(self.timed + 1);
        let ms: Vec<f64> = ends
            .clone()
            .zip(ends.skip(1))
            .map(|(before, end)| end.duration_since(*before).as_secs_f64() * 1e3)
            .collect();
        let faults = match notes.faults {
            [Some(before), Some(after)] => Some(after.saturating_sub(before) as f64 / self.timed as f64),
            _ => None,
        };
        Timed { ms, faults_per_step: faults, peak_rss_mib: notes.peak_rss_mib }
    }
}

impl Progress for Stamps<'_> {
    fn start(&self, label: &str, total: u64, unit: &str) {
        self.listener.start(label, total, unit);
    }

    // The steps of an earlier process: none.
    fn resume(&self, by: u64) {
        self.listener.resume(by);
    }

    fn advance(&self, by: u64) {
        if by > 0 {
            let mut notes = self.notes();
            notes.ends.push(Instant::now());
            let done = notes.ends.len();
            if done == WARM_UP {
                notes.faults[0] = process::minor_faults();
            } else if done == WARM_UP + self.timed {
                notes.faults[1] = process::minor_faults();
                notes.peak_rss_mib = process::peak_rss_mib();
            }
        }
        self.listener.advance(by);
    }

    fn note(&self, text: &str) {
        self.listener.note(text);
    }

    fn finish(&self) {
        self.listener.finish();
    }

    fn cancelled(&self) -> bool {
        self.listener.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use limbeck::data::progress::Silent;

    use super::*;

    #[test]
    fn warm_up_and_the_last_step_are_left_out() {
        let stamps = Stamps::new(&Silent, 2);
        stamps.advance(0);
        for step in 1..=steps_for(2) {
            let slow = step <= WARM_UP || step == steps_for(2);
            std::thread::sleep(std::time::Duration::from_millis(if slow { 60 } else { 1 }));
            stamps.advance(1);
        }
        let timed = stamps.timed();
        assert_eq!(timed.ms.len(), 2);
        assert!(timed.ms.iter().all(|&ms| (1.0..50.0).contains(&ms)), "{timed:?}");
    }
}
