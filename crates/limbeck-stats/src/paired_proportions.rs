//! The difference of two proportions over the same items.

use crate::distribution::{bisect, normal};
use crate::error::check_paired;
use crate::{Estimate, StatsError, mcnemar_exact};

/// Below this many items that only one of two got right, no outcome has an exact two-sided p below .05: `2 / 2^5 = .06`.
pub const FEWEST_DISCORDANT: u64 = 6;

/// How often the first is right less how often the second is, with the items that decide it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedProportions {
    /// The difference of the two shares.
    pub difference: Estimate,
    /// Items only the first got right.
    pub only_first: u64,
    /// Items only the second got right.
    pub only_second: u64,
    /// Exact two-sided p of McNemar's test, in `(0, 1]`.
    pub p_value: f64,
}

impl PairedProportions {
    /// Whether so few items differ that an exact test at .05 cannot reject whatever they say.
    pub fn too_few_differ(&self) -> bool {
        self.only_first + self.only_second < FEWEST_DISCORDANT
    }
}

/// The difference of the shares of `true`, first less second, with Tango's score interval beside McNemar's exact test.
///
/// # Errors
/// Empty input, inputs of different length, or a confidence outside `(0, 1)`.
pub fn paired_proportions(
    first: &[bool],
    second: &[bool],
    confidence: f64,
) -> Result<PairedProportions, StatsError> {
    check_paired("difference of paired proportions", first.len(), second.len())?;
    let test = mcnemar_exact(first, second)?;
    let difference = tango(test.only_first, test.only_second, first.len() as u64, confidence)?;
    Ok(PairedProportions {
        difference,
        only_first: test.only_first,
        only_second: test.only_second,
        p_value: test.p_value,
    })
}

/// The score interval of a paired difference of proportions (Tango 1998, "Equivalence test and confidence interval for the
/// difference in proportions for the paired-sample design", eq. 12): `b` items only the first got right, `c` only the second, of `n`.
///
/// Holds the differences `D` with `|b - c - n D| <= z sqrt(n (2 q + D (1 - D)))`, where `q` is the likeliest share of `c` given `D`.
/// Where nothing differs it is `+- z^2 / (n + z^2)`.
///
/// # Errors
/// No items, more differing items than items, or a confidence outside `(0, 1)`.
pub fn tango(b: u64, c: u64, n: u64, confidence: f64) -> Result<Estimate, StatsError> {
    const WHAT: &str = "Tango interval";
    let z = normal(WHAT, confidence)?;
    if n == 0 {
        return Err(StatsError::Empty { what: WHAT });
    }
    if b + c > n {
        return Err(StatsError::OutOfRange { what: WHAT, value: (b + c) as f64, low: 0.0, high: n as f64 });
    }
    let value = (b as f64 - c as f64) / n as f64;
    Ok(Estimate {
        value,
        low: -upper(c as f64, b as f64, n as f64, z),
        high: upper(b as f64, c as f64, n as f64, z),
    })
}

/// The largest difference that the score test does not reject.
fn upper(b: f64, c: f64, n: f64, z: f64) -> f64 {
    let value = (b - c) / n;
    let held = |d: f64| {
        let (a1, a2) = (-b - c + (2.0 * n - b + c) * d, -c * d * (1.0 - d));
        let q = ((a1 * a1 - 8.0 * n * a2).max(0.0).sqrt() - a1) / (4.0 * n);
        let variance = n * (2.0 * q + d * (1.0 - d)).max(0.0);
        n * d - (b - c) <= z * variance.sqrt()
    };
    if value >= 1.0 { 1.0 } else { bisect(value, 1.0, held).max(value) }
}
