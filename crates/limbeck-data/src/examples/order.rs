//! The order of the data: a pure function of (seed, step), so that a resumed run needs the step only.

use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::DataError;

/// Which examples each step sees.
///
/// The examples of epoch `e` come in the permutation drawn by ChaCha8 keyed with (seed, e), each once;
/// epochs follow each other without a gap, so a batch may hold the end of one and the start of the
/// next. Position `p` of the stream is example `permutation(p / n)[p mod n]`, and step `s` (from 0)
/// takes the positions `s * batch_size .. (s + 1) * batch_size`.
#[derive(Debug)]
pub struct BatchOrder {
    seed: u64,
    examples: u32,
    batch_size: usize,
    /// The permutation used last. It only saves time: what is in it follows from seed and epoch.
    recent: Mutex<Option<(u64, Arc<[u32]>)>>,
}

impl BatchOrder {
    /// The order for `examples` examples in batches of `batch_size`.
    ///
    /// # Errors
    /// No example, an empty batch, or more than 2^32 - 1 examples.
    pub fn new(seed: u64, examples: usize, batch_size: usize) -> Result<Self, DataError> {
        let wrong = |name, found: usize, expected: &str| DataError::Argument {
            name,
            found: found.to_string(),
            expected: expected.to_owned(),
        };
        let count = match u32::try_from(examples) {
            Ok(count) if count > 0 => count,
            _ => {
                return Err(wrong("the number of examples", examples, "between 1 and 4294967295"));
            }
        };
        if batch_size == 0 {
            return Err(wrong("the batch size", batch_size, "at least 1"));
        }
        Ok(Self { seed, examples: count, batch_size, recent: Mutex::new(None) })
    }

    /// The examples of a step (counted from 0), as indices.
    pub fn batch(&self, step: u64) -> Vec<usize> {
        let examples = u128::from(self.examples);
        let start = u128::from(step) * self.batch_size as u128;
        (0..self.batch_size as u128)
            .map(|offset| {
                let position = start + offset;
                let permutation = self.permutation((position / examples) as u64);
                permutation[(position % examples) as usize] as usize
            })
            .collect()
    }

    /// The epoch (from 0) in which a step begins.
    pub fn epoch(&self, step: u64) -> u64 {
        (u128::from(step) * self.batch_size as u128 / u128::from(self.examples)) as u64
    }

    /// Steps in which every example is seen once; not a whole number when the batch does not divide them.
    pub fn steps_per_epoch(&self) -> f64 {
        f64::from(self.examples) / self.batch_size as f64
    }

    /// The permutation of one epoch.
    fn permutation(&self, epoch: u64) -> Arc<[u32]> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stored, permutation)) = recent.as_ref()
            && *stored == epoch
        {
            return Arc::clone(permutation);
        }
        let mut key = *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0limbeck/batches\0";
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&epoch.to_le_bytes());
        let mut order: Vec<u32> = (0..self.examples).collect();
        order.shuffle(&mut ChaCha8Rng::from_seed(key));
        let permutation: Arc<[u32]> = order.into();
        *recent = Some((epoch, Arc::clone(&permutation)));
        permutation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_epoch_sees_every_example_once(seed: u64, examples in 1_usize..60, batch in 1_usize..20) {
            let order = BatchOrder::new(seed, examples, batch).unwrap();
            let steps = (3 * examples).div_ceil(batch) as u64;
            let stream: Vec<usize> = (0..steps).flat_map(|step| order.batch(step)).collect();
            for epoch in stream.chunks_exact(examples) {
                let mut sorted = epoch.to_vec();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..examples).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_step_asked_alone_is_the_step_asked_in_turn(seed: u64, step in 0_u64..100) {
            let order = BatchOrder::new(seed, 37, 5).unwrap();
            let in_turn: Vec<Vec<usize>> = (0..=step).map(|step| order.batch(step)).collect();
            let alone = BatchOrder::new(seed, 37, 5).unwrap().batch(step);
            prop_assert_eq!(&in_turn[step as usize], &alone);
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_the_order_is_fixed_for_ever() {
        let order = BatchOrder::new(1, 50, 50).unwrap();
        assert_ne!(order.batch(0), order.batch(1));
        assert_ne!(order.batch(0), BatchOrder::new(2, 50, 50).unwrap().batch(0));
        // Changing the order would silently break every resumed run, so it is pinned here.
        assert_eq!(BatchOrder::new(7, 8, 8).unwrap().batch(0), PINNED);
        assert_eq!(order.epoch(3), 3);
        assert!(BatchOrder::new(0, 0, 1).is_err());
        assert!(BatchOrder::new(0, 1, 0).is_err());
        assert_eq!(BatchOrder::new(0, 3, 2).unwrap().batch(u64::MAX).len(), 2);
    }

    const PINNED: [usize; 8] = [5, 4, 6, 0, 7, 3, 2, 1];
}
