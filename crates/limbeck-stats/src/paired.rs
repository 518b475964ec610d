//! Tests of paired observations.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::StatsError;
use crate::error::{check_finite, check_paired};

/// Up to this many differences every assignment of signs is tried.
pub const EXACT_SIGN_FLIPS: usize = 16;

/// Result of a sign-flip test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// Mean of the differences.
    pub mean: f64,
    /// Two-sided p-value, in `(0, 1]`.
    pub p_value: f64,
    /// Whether every assignment of signs was tried.
    pub exact: bool,
}

impl SignFlip {
    /// Whether the least p-value that so many differences can give is below `level`. With fewer than six none is below .05,
    /// whatever they are: say "not testable" instead of a p-value then.
    pub fn testable(differences: usize, level: f64) -> bool {
        sign_flip_floor(differences) < level
    }
}

/// The least two-sided p-value of a sign-flip test of `n` differences: `2 / 2^n`.
pub fn sign_flip_floor(n: usize) -> f64 {
    2.0_f64.powf(1.0 - n as f64).min(1.0)
}

/// Paired permutation test of mean zero: under the null each difference may as well have the
/// other sign (Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3.2).
///
/// `p` is the share of sign assignments whose `|mean|` is at least the observed one: of all of them
/// up to [`EXACT_SIGN_FLIPS`] differences, else `(1 + hits) / (1 + permutations)` over random ones.
///
/// # Errors
/// Empty input, a value that is not finite, or no permutations where they are needed.
pub fn sign_flip_test(differences: &[f64], permutations: usize, seed: u64) -> Result<SignFlip, StatsError> {
    const WHAT: &str = "sign-flip test";
    check_finite(WHAT, differences)?;
    let n = differences.len();
    let total: f64 = differences.iter().sum();
    // Assignments equal in exact arithmetic must count as ties whatever the order of summation.
    let size: f64 = differences.iter().map(|d| d.abs()).sum();
    let least = total.abs() - 1e-12 * size;
    let exact = n <= EXACT_SIGN_FLIPS;
    let p_value = if exact {
        let all = 1u64 << n;
        let hits = (0..all).filter(|signs| flipped(differences, |i| signs >> i & 1 == 1) >= least);
        hits.count() as f64 / all as f64
    } else {
        if permutations == 0 {
            return Err(StatsError::Empty { what: WHAT });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut signs = vec![0u64; n.div_ceil(64)];
        let mut hits = 0u64;
        for _ in 0..permutations {
            signs.fill_with(|| rng.next_u64());
            if flipped(differences, |i| signs[i / 64] >> (i % 64) & 1 == 1) >= least {
                hits += 1;
            }
        }
        (1 + hits) as f64 / (1 + permutations) as f64
    };
    Ok(SignFlip { mean: total / n as f64, p_value, exact })
}

fn flipped(differences: &[f64], flip: impl Fn(usize) -> bool) -> f64 {
    let signed = differences.iter().enumerate().map(|(i, &d)| if flip(i) { -d } else { d });
    signed.sum::<f64>().abs()
}

/// Result of McNemar's test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Units only the first got right.
    pub only_first: u64,
    /// Units only the second got right.
    pub only_second: u64,
    /// Exact two-sided p-value, in `(0, 1]`.
    pub p_value: f64,
}

/// McNemar's exact test of two classifiers on the same units (McNemar 1947, binomial form):
/// `p = min(1, 2 P(X <= min(b, c)))`, `X ~ Binomial(b + c, 1/2)`, with `b` and `c` the units only
/// one of them got right. 1 when there are none.
///
/// # Errors
/// Empty input, or inputs of different length.
pub fn mcnemar_exact(first: &[bool], second: &[bool]) -> Result<McNemar, StatsError> {
    const WHAT: &str = "McNemar's test";
    check_paired(WHAT, first.len(), second.len())?;
    if first.is_empty() {
        return Err(StatsError::Empty { what: WHAT });
    }
    let (mut only_first, mut only_second) = (0u64, 0u64);
    for pair in first.iter().zip(second) {
        match pair {
            (true, false) => only_first += 1,
            (false, true) => only_second += 1,
            _ => {}
        }
    }
    let null = Binomial::new(0.5, only_first + only_second)
        .map_err(|_| StatsError::Undefined { what: WHAT, because: "there are too many units" })?;
    let p_value = (2.0 * null.cdf(only_first.min(only_second))).min(1.0);
    Ok(McNemar { only_first, only_second, p_value })
}
