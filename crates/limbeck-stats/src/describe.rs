//! Mean, quantile and ranks.

use crate::StatsError;
use crate::error::{check_finite, check_range};

/// The arithmetic mean.
///
/// # Errors
/// Empty input, or a value that is not finite.
pub fn mean(values: &[f64]) -> Result<f64, StatsError> {
    check_finite("mean", values)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// The `q`-quantile of ascending values, by linear interpolation between order statistics
/// (type 7 of Hyndman & Fan 1996, numpy's default).
///
/// # Errors
/// Empty input, a value that is not finite, or `q` outside `[0, 1]`.
pub fn quantile(ascending: &[f64], q: f64) -> Result<f64, StatsError> {
    check_finite("quantile", ascending)?;
    check_range("quantile", q, 0.0, 1.0)?;
    let position = q * (ascending.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    let share = position - below as f64;
    Ok(ascending[below] + (ascending[above] - ascending[below]) * share)
}

/// Ranks from 1; tied values share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        // `==` rather than the total order, so that -0 and 0 tie.
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let shared = (start + 1 + end) as f64 / 2.0;
        for &unit in &order[start..end] {
            ranks[unit] = shared;
        }
        start = end;
    }
    ranks
}
