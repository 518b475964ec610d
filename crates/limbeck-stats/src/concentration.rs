//! How unevenly damage is spread over components (Haskins & Adams 2025, brittleness).

use crate::StatsError;
use crate::error::{check_finite, check_range};

/// Damage below this many percentage points does not count towards severity.
pub const SEVERITY_THRESHOLD: f64 = 20.0;

/// Damage of one ablation: `m = 100 - clamp(score, 0, 100)`, in percentage points.
///
/// NaN stays NaN.
pub fn damage(score_percent: f64) -> f64 {
    100.0 - score_percent.clamp(0.0, 100.0)
}

/// Severity: mean of `(max(0, min(100, m) - 20) / 80)^alpha`, in `[0, 1]`.
///
/// # Errors
/// Empty input, a value that is not finite, or an `alpha` that is not positive.
pub fn severity(damages: &[f64], alpha: f64) -> Result<f64, StatsError> {
    check_finite("severity", damages)?;
    check_range("alpha of severity", alpha, f64::MIN_POSITIVE, f64::MAX)?;
    let span = 100.0 - SEVERITY_THRESHOLD;
    let total: f64 =
        damages.iter().map(|m| ((m.min(100.0) - SEVERITY_THRESHOLD).max(0.0) / span).powf(alpha)).sum();
    Ok(total / damages.len() as f64)
}

/// Gini coefficient of values that are not negative:
/// `sum over i of (2 i - n - 1) x_(i) / (n sum x)`, in `[0, (n - 1) / n]`.
///
/// 0 when all are equal, zeros included.
///
/// # Errors
/// Empty input, or a value that is negative or not finite.
pub fn gini(values: &[f64]) -> Result<f64, StatsError> {
    check_finite("gini", values)?;
    for &value in values {
        check_range("value of a gini coefficient", value, 0.0, f64::MAX)?;
    }
    // Dividing by the largest keeps the sum of very large values finite.
    let largest = values.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Ok(0.0);
    }
    let mut ascending: Vec<f64> = values.iter().map(|value| value / largest).collect();
    ascending.sort_unstable_by(f64::total_cmp);
    let n = ascending.len() as f64;
    let total: f64 = ascending.iter().sum();
    let weighted: f64 =
        ascending.iter().enumerate().map(|(i, x)| (2.0 * (i as f64 + 1.0) - n - 1.0) * x).sum();
    Ok((weighted / (n * total)).max(0.0))
}

/// Mean of the largest `fraction` of the values: `ceil(fraction * n)` of them, at least one.
///
/// # Errors
/// Empty input, a value that is not finite, or a fraction outside `[0, 1]`.
pub fn worst_fraction_mean(values: &[f64], fraction: f64) -> Result<f64, StatsError> {
    check_finite("mean of the worst fraction", values)?;
    check_range("worst fraction", fraction, 0.0, 1.0)?;
    // The small slack keeps 0.05 * 60 at 3 whatever the rounding of the product.
    let wanted = (fraction * values.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    let mut descending = values.to_vec();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    descending.truncate(wanted);
    Ok(descending.iter().sum::<f64>() / descending.len() as f64)
}
