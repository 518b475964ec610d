//! Rank correlation.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::StatsError;
use crate::describe::ranks;
use crate::error::{check_finite, check_paired};

/// A correlation and the chance of one at least as strong between unrelated values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// The coefficient, in `[-1, 1]`.
    pub rho: f64,
    /// Two-sided p-value, in `[0, 1]`.
    pub p_value: f64,
}

/// Spearman's rank correlation: Pearson's on ranks, ties sharing the mean of theirs.
///
/// The p-value takes `rho sqrt((n - 2) / (1 - rho^2))` as Student's t with `n - 2` degrees of
/// freedom, which is an approximation below some ten pairs.
///
/// # Errors
/// Empty input, inputs of different length, a value that is not finite, fewer than three pairs, or
/// an input whose values are all equal.
pub fn spearman(first: &[f64], second: &[f64]) -> Result<Correlation, StatsError> {
    const WHAT: &str = "spearman correlation";
    check_paired(WHAT, first.len(), second.len())?;
    check_finite(WHAT, first)?;
    check_finite(WHAT, second)?;
    if first.len() < 3 {
        return Err(StatsError::Undefined { what: WHAT, because: "it needs three pairs" });
    }
    let rho = pearson(&ranks(first), &ranks(second))
        .ok_or(StatsError::Undefined { what: WHAT, because: "all values of an input are equal" })?;
    let freedom = (first.len() - 2) as f64;
    let t = rho * (freedom / ((1.0 - rho) * (1.0 + rho))).sqrt();
    let p_value = match StudentsT::new(0.0, 1.0, freedom) {
        // At |rho| = 1, t is infinite and no other order of ranks is stronger.
        _ if t.is_infinite() => 0.0,
        Ok(student) => (2.0 * student.sf(t.abs())).clamp(0.0, 1.0),
        Err(_) => {
            return Err(StatsError::Undefined { what: WHAT, because: "it needs three pairs" });
        }
    };
    Ok(Correlation { rho, p_value })
}

fn pearson(first: &[f64], second: &[f64]) -> Option<f64> {
    let n = first.len() as f64;
    let (mean_a, mean_b) = (first.iter().sum::<f64>() / n, second.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in first.iter().zip(second) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}
