//! Quantiles of the laws that intervals are made of.

use statrs::distribution::{Beta, ContinuousCDF, Gamma, Normal, StudentsT};

use crate::StatsError;
use crate::error::check_range;

/// Refuses a confidence that is not strictly between 0 and 1.
pub(crate) fn check_confidence(what: &'static str, confidence: f64) -> Result<(), StatsError> {
    check_range(what, confidence, f64::MIN_POSITIVE, 1.0 - f64::EPSILON)
}

/// The two-sided normal quantile: `P(|Z| <= z) = confidence`.
pub(crate) fn normal(what: &'static str, confidence: f64) -> Result<f64, StatsError> {
    check_confidence(what, confidence)?;
    let law = Normal::new(0.0, 1.0)
        .map_err(|_| StatsError::Undefined { what, because: "the normal law has no such quantile" })?;
    Ok(law.inverse_cdf(f64::midpoint(1.0, confidence)))
}

/// The two-sided quantile of Student's t with `freedom` degrees of freedom, which may be fractional.
///
/// # Errors
/// Degrees of freedom that are not positive, or a confidence outside `(0, 1)`.
pub(crate) fn student(what: &'static str, confidence: f64, freedom: f64) -> Result<f64, StatsError> {
    check_confidence(what, confidence)?;
    if freedom > 1e7 {
        return normal(what, confidence);
    }
    let law = StudentsT::new(0.0, 1.0, freedom)
        .map_err(|_| StatsError::Undefined { what, because: "it has no degrees of freedom" })?;
    let wanted = f64::midpoint(1.0, confidence);
    // The tail falls slowly with few degrees of freedom: the bracket grows until it holds the quantile.
    let mut high = 1.0;
    while law.cdf(high) < wanted && high < 1e12 {
        high *= 2.0;
    }
    Ok(bisect(0.0, high, |t| law.cdf(t) < wanted))
}

/// The `p`-quantile of the beta law, with both shapes positive.
pub(crate) fn beta(what: &'static str, p: f64, a: f64, b: f64) -> Result<f64, StatsError> {
    let law = Beta::new(a, b).map_err(|_| StatsError::Undefined { what, because: "a count is negative" })?;
    Ok(bisect(0.0, 1.0, |x| law.cdf(x) < p))
}

/// The `p`-quantile of the gamma law of the given shape and scale 1: half the `p`-quantile of chi-squared with twice as
/// many degrees of freedom.
pub(crate) fn gamma(what: &'static str, p: f64, shape: f64) -> Result<f64, StatsError> {
    let law =
        Gamma::new(shape, 1.0).map_err(|_| StatsError::Undefined { what, because: "a count is negative" })?;
    let mut high = shape + 1.0;
    while law.cdf(high) < p && high < 1e12 {
        high *= 2.0;
    }
    Ok(bisect(0.0, high, |x| law.cdf(x) < p))
}

/// The point of `[low, high]` where `below` turns from true to false.
pub(crate) fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
