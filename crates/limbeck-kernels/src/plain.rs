//! Leaving out the fused bodies, to hold them against the bodies in plain tensor operations.

use std::cell::Cell;

thread_local! {
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` with every operation of this crate in its body of plain tensor operations, on the calling thread: what
/// a whole training comes to without the fused bodies. Threads that work for this one keep to it by [`Bodies`].
pub fn with_plain_bodies<R>(work: impl FnOnce() -> R) -> R {
    Bodies { plain: true }.during(work)
}

/// Which bodies operations run: the choice of one thread, for others that do part of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bodies {
    plain: bool,
}

impl Bodies {
    /// Those of the calling thread.
    pub fn current() -> Self {
        Self { plain: plain() }
    }

    /// Does `work` with these bodies on the calling thread.
    pub fn during<R>(self, work: impl FnOnce() -> R) -> R {
        /// Puts the former state back, also when `work` panics.
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLAIN.set(self.0);
            }
        }
        let _restore = Restore(PLAIN.replace(self.plain));
        work()
    }
}

/// Whether fused bodies are left out.
pub(crate) fn plain() -> bool {
    PLAIN.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_pool;

    #[test]
    fn the_choice_goes_along_to_other_threads() {
        let elsewhere = |bodies: Bodies| {
            std::thread::scope(|scope| scope.spawn(|| bodies.during(plain)).join().unwrap_or(false))
        };
        assert!(!plain() && !on_pool(plain) && !elsewhere(Bodies::current()));
        with_plain_bodies(|| assert!(plain() && on_pool(plain) && elsewhere(Bodies::current())));
        assert!(!plain() && !on_pool(plain));
    }
}
