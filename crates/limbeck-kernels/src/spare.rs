//! Large buffers kept from step to step: fresh memory costs a page fault and a cleared page for every 4 KiB.

use std::sync::{Mutex, PoisonError};

/// Buffers kept at most.
const MOST: usize = 16;

/// Buffers that nobody uses now.
pub(crate) struct Spare<T>(Mutex<Vec<Vec<T>>>);

/// Those of large gradients and logits.
pub(crate) static FLOATS: Spare<f32> = Spare::new();

/// Bytes from which a vector given to [`recycle`] is worth keeping.
const LARGE: usize = 8 << 20;

/// Takes a vector that is used no more, such as a gradient after its step, so that the next one of its size need not be
/// made of fresh memory. Small ones are dropped.
pub fn recycle(values: Vec<f32>) {
    if size_of_val(values.as_slice()) >= LARGE {
        FLOATS.keep(values);
    }
}

impl<T: Copy> Spare<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A vector of this length with contents of any kind, `fresh` where it is new.
    pub(crate) fn take(&self, length: usize, fresh: T) -> Vec<T> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The shortest that is long enough, unless half of it would lie idle.
        let fits = |values: &Vec<T>| (length..=2 * length).contains(&values.len());
        let found = (0..spare.len()).filter(|&at| fits(&spare[at])).min_by_key(|&at| spare[at].len());
        let found = found.map(|at| spare.swap_remove(at));
        drop(spare);
        match found {
            Some(mut values) => {
                values.truncate(length);
                values
            }
            None => vec![fresh; length],
        }
    }

    /// Keeps a vector for later.
    pub(crate) fn keep(&self, values: Vec<T>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(values);
        if spare.len() > MOST {
            // The shortest is the cheapest to make again.
            if let Some(at) = (0..spare.len()).min_by_key(|&at| spare[at].len()) {
                spare.swap_remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_taken_again() {
        let spare = Spare::new();
        let first = spare.take(100, 1_u8);
        let at = first.as_ptr();
        spare.keep(first);
        assert_eq!(spare.take(40, 2), vec![2; 40], "half of it would lie idle");
        let again = spare.take(70, 3);
        assert_eq!((again.len(), again.as_ptr()), (70, at));
        for length in 1..40 {
            spare.keep(vec![0; length]);
        }
        assert_eq!(spare.0.lock().map(|kept| kept.len()).unwrap_or(0), MOST);
    }
}
