//! Shares of items that come in clusters, such as the tokens of examples, and their paired differences.
//!
//! Items of a cluster are not independent. The design effect, by how much the clusters' own spread exceeds that of as many
//! independent items, says how many independent items they are worth (Kish 1965); the interval is that of a proportion of so
//! many. Where few clusters carry the rarer outcome the spread is not known: the design effect is then drawn towards that of
//! clusters whose items are all alike, which alone counts when no cluster carries it.

use crate::distribution::{normal, student};
use crate::error::{check_finite, check_paired, check_range};
use crate::{Cluster, Estimate, StatsError, proportion};

/// The share `sum of sums / sum of counts`, each sum between 0 and its count, with an interval that knows the clusters.
///
/// `n_eff = N / d` with `d = D^(k / (k + 1)) M^(1 / (k + 1))`, where `D` is
/// the design effect `C / (C - 1) sum (s - p n)^2 / (N p (1 - p))` and `M = sum n^2 / N` that of clusters whose items are all
/// alike, and `k` counts clusters by how much of the spread each carries. Student's t with at most `C - 1` degrees of freedom, fewer where few
/// clusters carry the spread, takes the normal law's place, as a smaller `n_eff` (Korn & Graubard 1998). Where one or two clusters in a
/// hundred are wrong altogether a sample may not show them, and the interval covers some 90% instead of 95%. At 0 and 1, `n_eff = N / M`: the number of clusters when they have the same size. Clusters of one item, right or
/// wrong, are independent items: [`proportion`](crate::proportion()). Clusters without items are left out.
///
/// # Errors
/// No items, a sum outside `[0, count]`, a count that is negative or not finite, or a confidence outside `(0, 1)`.
pub fn clustered_proportion(clusters: &[Cluster], confidence: f64) -> Result<Estimate, StatsError> {
    const WHAT: &str = "interval of a clustered proportion";
    check_shares(WHAT, clusters)?;
    let full: Vec<Cluster> = clusters.iter().copied().filter(|cluster| cluster.count > 0.0).collect();
    let total = Cluster::total(&full);
    if full.is_empty() {
        return Err(StatsError::Empty { what: WHAT });
    }
    // One item a cluster: the items are independent, and there is no design effect to estimate.
    if full.iter().all(|c| c.count == 1.0 && (c.sum == 0.0 || c.sum == 1.0)) {
        return proportion::proportion(total.sum as u64, full.len() as u64, confidence);
    }
    let alike = full.iter().map(|c| c.count * c.count).sum::<f64>() / total.count;
    let share = total.mean();
    let right = full.iter().filter(|c| c.sum > 0.0).count();
    let wrong = full.iter().filter(|c| c.sum < c.count).count();
    let freedom = (full.len() - 1) as f64;
    if right == 0 || wrong == 0 || freedom == 0.0 {
        return proportion::of_effective(WHAT, share, total.count / alike, 1.0, confidence);
    }
    let squares: Vec<f64> = full.iter().map(|c| (c.sum - share * c.count).powi(2)).collect();
    let spread: f64 = squares.iter().sum();
    let among = full.len() as f64 / freedom * spread / (total.count * share * (1.0 - share));
    let design = towards(among, alike, carrying(&squares));
    let widening = student(WHAT, confidence, freedom_of(&squares))? / normal(WHAT, confidence)?;
    proportion::of_effective(WHAT, share, total.count / design, widening, confidence)
}

/// The mean of values between 0 and 1, with an interval that is never a point: [`clustered_proportion`] of clusters of one.
///
/// For other bounds divide by them first.
///
/// # Errors
/// As [`clustered_proportion`].
pub fn bounded_mean(values: &[f64], confidence: f64) -> Result<Estimate, StatsError> {
    let clusters: Vec<Cluster> = values.iter().map(|&value| Cluster::new(value, 1.0)).collect();
    clustered_proportion(&clusters, confidence)
}

/// The difference of two shares of the same items in the same clusters, first less second.
///
/// `D = sum d / N`, with the variance between clusters `C / (C - 1) sum (d - D n)^2 / N^2` and t with `C - 1` degrees of
/// freedom, after two clusters have been added, one for each side, that differ by `a` items: the adjustment of Bonett & Price
/// (2012, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired Data") for clusters of one
/// item. With `k` clusters that differ, `a^2` is their mean square difference, drawn towards the mean square size
/// by the weights of [`clustered_proportion`]. So two networks that agree everywhere still have an interval.
///
/// # Errors
/// As [`clustered_proportion`], and inputs of different length or with different counts.
pub fn clustered_difference(
    first: &[Cluster],
    second: &[Cluster],
    confidence: f64,
) -> Result<Estimate, StatsError> {
    const WHAT: &str = "interval of a paired difference of clustered proportions";
    check_paired(WHAT, first.len(), second.len())?;
    check_shares(WHAT, first)?;
    check_shares(WHAT, second)?;
    let mut units = Vec::with_capacity(first.len());
    for (a, b) in first.iter().zip(second) {
        if a.count != b.count {
            return Err(StatsError::Undefined {
                what: WHAT,
                because: "a cluster has other items on either side",
            });
        }
        if a.count > 0.0 {
            units.push((a.sum - b.sum, a.count));
        }
    }
    if units.is_empty() {
        return Err(StatsError::Empty { what: WHAT });
    }
    let clusters = units.len() as f64;
    let items: f64 = units.iter().map(|unit| unit.1).sum();
    let alike = units.iter().map(|unit| unit.1 * unit.1).sum::<f64>() / clusters;
    let differing = units.iter().filter(|unit| unit.0 != 0.0).count();
    let squares: Vec<f64> = units.iter().map(|unit| unit.0 * unit.0).collect();
    let added = towards(squares.iter().sum::<f64>() / differing.max(1) as f64, alike, carrying(&squares));

    let total: f64 = units.iter().map(|unit| unit.0).sum();
    let value = total / items;
    let weight = items / clusters;
    let all = items + 2.0 * weight;
    let middle = total / all;
    let spread: f64 = units.iter().map(|(d, n)| (d - middle * n).powi(2)).sum::<f64>()
        + 2.0 * (added + (middle * weight).powi(2));
    let variance = (clusters + 2.0) / (clusters + 1.0) * spread / (all * all);
    let half = student(WHAT, confidence, (clusters - 1.0).max(1.0))? * variance.sqrt();
    Ok(Estimate {
        value,
        low: (middle - half).max(-1.0).min(value),
        high: (middle + half).min(1.0).max(value),
    })
}

/// Of how many units a sum of squares is made: `(sum q)^2 / sum q^2`, all of them when they are equal, one when one exceeds the others
/// by far.
pub(crate) fn carrying(squares: &[f64]) -> f64 {
    let largest = squares.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return 0.0;
    }
    let (sum, of_squares) =
        squares.iter().map(|q| q / largest).fold((0.0, 0.0), |(sum, squares), q| (sum + q, squares + q * q));
    sum * sum / of_squares
}

/// The degrees of freedom of a variance estimated by squares of such an unequal size: those of a law of chi-squared with its own variance,
/// `2 n k / (n - k)` with `k` as in [`carrying`], which is `n` when residuals are normal; at most `n - 1`, at least 1.
fn freedom_of(squares: &[f64]) -> f64 {
    let (n, k) = (squares.len() as f64, carrying(squares));
    let freedom = if k < n { 2.0 * n * k / (n - k) } else { f64::INFINITY };
    freedom.min(n - 1.0).max(1.0)
}

/// The geometric mean of `found`, weighted by the `k` units that carry it, and `alike`, weighted as one unit.
pub(crate) fn towards(found: f64, alike: f64, k: f64) -> f64 {
    if k <= 0.0 || found <= 0.0 {
        return alike;
    }
    let weight = k / (k + 1.0);
    found.powf(weight) * alike.powf(1.0 - weight)
}

fn check_shares(what: &'static str, clusters: &[Cluster]) -> Result<(), StatsError> {
    for (index, cluster) in clusters.iter().enumerate() {
        check_range(what, cluster.count, 0.0, f64::MAX)?;
        check_finite(what, &[cluster.sum]).map_err(|_| StatsError::NotFinite {
            what,
            index,
            value: cluster.sum,
        })?;
        // Sums of rounded shares may pass their count by rounding alone.
        let slack = 1e-9 * cluster.count;
        check_range(what, cluster.sum, -slack, cluster.count + slack)?;
    }
    Ok(())
}
