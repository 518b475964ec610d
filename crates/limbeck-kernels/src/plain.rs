//! Leaving out the fused bodies, to hold them against the bodies in plain tensor operations.

use std::cell::Cell;

thread_local! {
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` with every operation of this crate in its body of plain tensor operations, on the calling thread: what
/// a whole training comes to without the fused bodies.
pub fn with_plain_bodies<R>(work: impl FnOnce() -> R) -> R {
    /// Puts the former state back, also when `work` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLAIN.set(self.0);
        }
    }
    let _restore = Restore(PLAIN.replace(true));
    work()
}

/// Whether fused bodies are left out.
pub(crate) fn plain() -> bool {
    PLAIN.get()
}
