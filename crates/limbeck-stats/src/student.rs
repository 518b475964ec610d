//! Student's interval of a mean, for the few values that seeds give.

use crate::distribution::student;
use crate::error::check_finite;
use crate::{Estimate, StatsError};

/// The mean of independent values, such as one a seed, with Student's interval `mean +- t sqrt(s^2 / n)`, `n - 1` degrees of
/// freedom (Student 1908).
///
/// One value alone, or values that are all the same, say nothing of their spread: the estimate is then
/// without an interval ([`Estimate::alone`]).
///
/// # Errors
/// Empty input, a value that is not finite, or a confidence outside `(0, 1)`.
pub fn student_t(values: &[f64], confidence: f64) -> Result<Estimate, StatsError> {
    const WHAT: &str = "Student's interval";
    check_finite(WHAT, values)?;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if n < 2.0 || squares <= 0.0 {
        return Ok(Estimate::alone(mean));
    }
    let half = student(WHAT, confidence, n - 1.0)? * (squares / (n - 1.0) / n).sqrt();
    Ok(Estimate { value: mean, low: mean - half, high: mean + half })
}

/// The ratio of two means over the same units, such as seeds, with Fieller's interval (Fieller 1954): the ratios `r` for which
/// the mean of `numerator - r denominator` has zero in its Student interval.
///
/// Without an interval ([`Estimate::alone`]) where that set is not bounded, because the denominator is not apart from zero, and where
/// the values are all the same.
///
/// # Errors
/// Empty input, inputs of different length, a value that is not finite, a denominator whose mean is 0, or a
/// confidence outside `(0, 1)`.
pub fn fieller(numerator: &[f64], denominator: &[f64], confidence: f64) -> Result<Estimate, StatsError> {
    const WHAT: &str = "Fieller's interval";
    crate::error::check_paired(WHAT, numerator.len(), denominator.len())?;
    check_finite(WHAT, numerator)?;
    check_finite(WHAT, denominator)?;
    let n = numerator.len() as f64;
    let (above, below) = (numerator.iter().sum::<f64>() / n, denominator.iter().sum::<f64>() / n);
    if below == 0.0 {
        return Err(StatsError::Undefined { what: WHAT, because: "the denominator's mean is 0" });
    }
    let value = above / below;
    if n < 2.0 {
        return Ok(Estimate::alone(value));
    }
    let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in numerator.iter().zip(denominator) {
        aa += (a - above).powi(2);
        ab += (a - above) * (b - below);
        bb += (b - below).powi(2);
    }
    let scale = student(WHAT, confidence, n - 1.0)?.powi(2) / (n * (n - 1.0));
    // (below^2 - s bb) r^2 - 2 (above below - s ab) r + (above^2 - s aa) <= 0.
    let (two, one, none) =
        (below * below - scale * bb, above * below - scale * ab, above * above - scale * aa);
    let within = one * one - two * none;
    if two <= 0.0 || within <= 0.0 {
        return Ok(Estimate::alone(value));
    }
    let half = within.sqrt() / two;
    Ok(Estimate { value, low: (one / two - half).min(value), high: (one / two + half).max(value) })
}
