//! Where long work reports, asks whether to stop, and leaves what it has found so that it need not be found again.

/// The listener of long work. The command line draws it; libraries only call it.
pub trait Progress: Sync {
    /// A piece of work begins: `total` steps counted in `unit` (0 when unknown).
    fn start(&self, label: &str, total: u64, unit: &str);
    /// `by` more steps are done.
    fn advance(&self, by: u64);
    /// `by` steps were done by an earlier process; said before the first [`advance`](Self::advance), so that the rate
    /// counts this process's steps alone.
    fn resume(&self, by: u64) {
        self.advance(by);
    }
    /// Figures of the work as it stands, such as a loss; shown beside it until the next.
    fn figures(&self, _text: &str) {}
    /// A line worth showing beside the progress.
    fn note(&self, text: &str);
    /// The piece of work that began last is over.
    fn finish(&self);
    /// Whether the user asked to stop; work then ends at its next safe point.
    fn cancelled(&self) -> bool;
    /// What an interrupted process [kept](Self::keep) of a part of this work; `None` where nothing is kept.
    fn recall(&self, _part: &str) -> Option<Vec<u8>> {
        None
    }
    /// Keeps what was found of a part of the work for a process that goes on with it. Parts are named in the order of
    /// the work, which a repetition follows.
    fn keep(&self, _part: &str, _found: &[u8]) {}
}

/// Reports nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _label: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _by: u64) {}
    fn note(&self, _text: &str) {}
    fn finish(&self) {}
    fn cancelled(&self) -> bool {
        false
    }
}
