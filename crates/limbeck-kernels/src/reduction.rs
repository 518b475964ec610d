//! Reductions over whole gradients whose bits do not depend on threads.

use rayon::prelude::*;

use crate::vector::{Kernel, dispatch};

/// Elements per piece of work; the pieces' sums are added up in order.
const PIECE: usize = 64 * 1024;

/// Independent partial sums within a piece.
const PARTIALS: usize = 16;

/// `sum x^2`, accumulated in 64 bits in a fixed order: the square of a gradient's 2-norm.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let pieces: Vec<f64> = values.par_chunks(PIECE).map(|piece| dispatch(Squares(piece))).collect();
    pieces.into_iter().sum()
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f64 {
        let mut partial = [0.0_f64; PARTIALS];
        let mut blocks = self.0.chunks_exact(PARTIALS);
        for block in &mut blocks {
            for lane in 0..PARTIALS {
                let value = f64::from(block[lane]);
                // The square of a float is exact in 64 bits, so fusing would not change it.
                partial[lane] += value * value;
            }
        }
        let rest = blocks.remainder().iter().map(|value| f64::from(*value) * f64::from(*value));
        partial.into_iter().chain(rest).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_kind() {
        for length in [0, 1, 15, 16, 17, 1000, PIECE - 1, PIECE, 3 * PIECE + 5] {
            let values: Vec<f32> = (0..length).map(|i| (i % 29) as f32 - 14.0).collect();
            let expected: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            assert_eq!(sum_of_squares(&values), expected);
        }
    }

    #[test]
    fn large_and_small_numbers_together() {
        let values = [3e19_f32, 1.0, -4e19];
        assert!((sum_of_squares(&values) / 25e38 - 1.0).abs() < 1e-6);
    }
}
