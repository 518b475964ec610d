//! The rate of this machine's matrix products: the ceiling that a step's own rate is held against.

use std::time::Instant;

use crate::Precision;
use crate::product::{Target, View, multiply};

/// Rows, inner size and columns of the measured product: large enough that packing and waking threads do not count.
const SIZE: usize = 1024;

/// Products timed, after one that warms up.
const REPEATS: usize = 15;

/// GFLOP/s of `[1024, 1024] x [1024, 1024]` on all threads, the fastest of 15 products; a multiply-add counts as two
/// operations. Operands are rounded or split and laid out each time, as in a step. Takes a fifth of a second.
pub fn gemm_rate(precision: Precision) -> f64 {
    let left = vec![0.5_f32; SIZE * SIZE];
    let right = vec![0.25_f32; SIZE * SIZE];
    let mut out = vec![0.0_f32; SIZE * SIZE];
    let [a, b] = [&left, &right].map(|values| View::rows(values, SIZE, SIZE, SIZE));
    let mut fastest = f64::INFINITY;
    for repeat in 0..=REPEATS {
        let began = Instant::now();
        multiply(Target::of(&mut out, SIZE, SIZE, SIZE), a, b, false, precision);
        std::hint::black_box(&out);
        if repeat > 0 {
            fastest = fastest.min(began.elapsed().as_secs_f64());
        }
    }
    2.0 * (SIZE as f64).powi(3) / fastest * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any machine this runs on lies between these.
    #[test]
    fn the_rate_is_a_rate() {
        for precision in [Precision::F32, Precision::Bf16] {
            let rate = gemm_rate(precision);
            assert!((0.1..100_000.0).contains(&rate), "{rate} GFLOP/s");
        }
    }
}
