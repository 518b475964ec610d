//! Holding out: what is evaluated must not have been trained on.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::DataError;

/// Two parts without overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split<T> {
    /// To learn from.
    pub train: Vec<T>,
    /// To measure on.
    pub held_out: Vec<T>,
}

fn check_fraction(held_out: f64) -> Result<(), DataError> {
    if (0.0..1.0).contains(&held_out) {
        Ok(())
    } else {
        Err(DataError::Argument {
            name: "the held-out fraction",
            found: held_out.to_string(),
            expected: "at least 0 and below 1".to_owned(),
        })
    }
}

/// Number of the `total` items that the fraction takes: rounded, at least one of two or more when the
/// fraction is above 0, and never all of them.
fn held_out_count(total: usize, held_out: f64) -> usize {
    if held_out == 0.0 || total < 2 {
        return 0;
    }
    ((total as f64 * held_out).round() as usize).clamp(1, total - 1)
}

/// Splits running text: the last `held_out` of all tokens, a contiguous tail, is held out; the document
/// in which the border falls is cut there.
///
/// Split before [`super::pack`]: then no packed window holds tokens of both parts. Taking the tail
/// rather than random windows also keeps a held-out window from standing between two training windows of
/// the same page.
///
/// # Errors
/// A fraction outside [0, 1).
pub fn split_tail(documents: Vec<Vec<u32>>, held_out: f64) -> Result<Split<Vec<u32>>, DataError> {
    check_fraction(held_out)?;
    let total: usize = documents.iter().map(Vec::len).sum();
    let mut left = total - held_out_count(total, held_out);
    let mut split = Split { train: Vec::new(), held_out: Vec::new() };
    for mut document in documents {
        if document.len() <= left {
            left -= document.len();
            split.train.push(document);
        } else {
            let tail = document.split_off(left);
            left = 0;
            if !document.is_empty() {
                split.train.push(document);
            }
            split.held_out.push(tail);
        }
    }
    Ok(split)
}

/// Splits records: a seeded random choice of `held_out` of them is held out. Both parts keep the
/// order of the input.
///
/// # Errors
/// A fraction outside [0, 1).
pub fn split_shuffled<T>(items: Vec<T>, held_out: f64, seed: u64) -> Result<Split<T>, DataError> {
    check_fraction(held_out)?;
    let count = held_out_count(items.len(), held_out);
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut chosen = vec![false; items.len()];
    for index in order.into_iter().take(count) {
        chosen[index] = true;
    }
    let mut split =
        Split { train: Vec::with_capacity(items.len() - count), held_out: Vec::with_capacity(count) };
    for (item, chosen) in items.into_iter().zip(chosen) {
        if chosen { split.held_out.push(item) } else { split.train.push(item) }
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tail_is_contiguous_and_nothing_is_lost() {
        let split = split_tail(vec![vec![1, 2, 3], vec![4, 5, 6, 7], vec![8, 9, 10]], 0.4).unwrap();
        assert_eq!(split.train, [vec![1, 2, 3], vec![4, 5, 6]]);
        assert_eq!(split.held_out, [vec![7], vec![8, 9, 10]]);
        let none = split_tail(vec![vec![1, 2]], 0.0).unwrap();
        assert!(none.held_out.is_empty());
        for wrong in [1.0, -0.1, f64::NAN] {
            assert!(split_tail(vec![vec![1, 2]], wrong).is_err());
            assert!(split_shuffled(vec![1, 2], wrong, 0).is_err());
        }
    }

    proptest! {
        #[test]
        fn shuffled_parts_are_a_partition(total in 0_usize..200, fraction in 0.0..0.99, seed: u64) {
            let items: Vec<usize> = (0..total).collect();
            let split = split_shuffled(items.clone(), fraction, seed).unwrap();
            prop_assert_eq!(&split, &split_shuffled(items.clone(), fraction, seed).unwrap());
            let mut all = split.train.clone();
            all.extend(&split.held_out);
            all.sort_unstable();
            prop_assert_eq!(all, items);
            prop_assert!(total < 2 || !split.train.is_empty());
            prop_assert!(total < 2 || fraction == 0.0 || !split.held_out.is_empty());
        }
    }

    #[test]
    fn seeds_differ() {
        let items: Vec<usize> = (0..100).collect();
        let first = split_shuffled(items.clone(), 0.3, 1).unwrap();
        assert_ne!(first, split_shuffled(items, 0.3, 2).unwrap());
        assert_eq!(first.held_out.len(), 30);
    }
}
