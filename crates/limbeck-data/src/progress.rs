//! Where long work reports, and asks whether to stop.

/// The listener of long work. The command line draws it; libraries only call it.
pub trait Progress: Sync {
    /// A piece of work begins: `total` steps counted in `unit` (0 when unknown).
    fn start(&self, label: &str, total: u64, unit: &str);
    /// `by` more steps are done.
    fn advance(&self, by: u64);
    /// A line worth showing beside the progress.
    fn note(&self, text: &str);
    /// The piece of work that began last is over.
    fn finish(&self);
    /// Whether the user asked to stop; work then ends at its next safe point.
    fn cancelled(&self) -> bool;
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
