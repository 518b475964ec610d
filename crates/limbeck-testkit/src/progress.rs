//! A listener that stops the work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use limbeck_data::progress::Progress;

/// Says "stop" after so many steps, and keeps the notes.
#[derive(Debug, Default)]
pub struct StopAfter {
    limit: u64,
    seen: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl StopAfter {
    /// Stops after `limit` steps.
    pub fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Steps reported so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }

    /// The notes so far.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().map(|notes| notes.clone()).unwrap_or_default()
    }
}

impl Progress for StopAfter {
    fn start(&self, _label: &str, _total: u64, _unit: &str) {}

    fn advance(&self, by: u64) {
        self.seen.fetch_add(by, Ordering::SeqCst);
    }

    fn note(&self, text: &str) {
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(text.to_string());
        }
    }

    fn finish(&self) {}

    fn cancelled(&self) -> bool {
        self.seen() >= self.limit
    }
}
