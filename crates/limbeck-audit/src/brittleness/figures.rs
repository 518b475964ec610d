//! How hard a network leans on single components.

use limbeck_results::{Brittleness, Estimate, Slope};
use limbeck_stats::{Bootstrap, damage, gini, severity, worst_fraction_mean};

use crate::{AuditError, Sweep};

/// Damage from which a component counts as carrying much, in percentage points.
const HEAVY: f64 = 20.0;

/// Brittleness from a mean-ablation sweep.
///
/// With the damage `m = 100 - clamp(score, 0, 100)` of every component: its mean, its largest, severity
/// `mean((max(0, m - 20) / 80)^alpha)`, the Gini coefficient and the mean of the worst 5%; each with a 95% bootstrap
/// interval that resamples prompts and computes all damages anew. The largest of noisy damages is biased
/// upwards, and more so in resamples: its interval is to be read as one of what a like sweep would show. A severity
/// of 0 in every resample has no interval: that no component reaches the threshold is known as far as the interval of
/// the largest damage says.
///
/// # Errors
/// [`AuditError::Stats`] when a resample has no logit difference to lose a share of.
pub fn brittleness(sweep: &Sweep, alpha: f64, bootstrap: &Bootstrap) -> Result<Brittleness, AuditError> {
    let mut damages = vec![0.0; sweep.components()];
    let [mean, worst, heavy, unequal, tail] =
        <[_; 5]>::try_from(bootstrap.statistics(sweep.prompts(), 5, |chosen, out| {
            damages_of(sweep, chosen, &mut damages);
            // A damage that is not a number makes the statistic one, and that is refused.
            out[0] = mean_of(&damages);
            out[1] = damages.iter().copied().fold(0.0, f64::max);
            out[2] = severity(&damages, alpha).unwrap_or(f64::NAN);
            out[3] = gini(&damages).unwrap_or(f64::NAN);
            out[4] = worst_fraction_mean(&damages, 0.05).unwrap_or(f64::NAN);
        })?)
        .map_err(|found| AuditError::Mismatch {
            what: "statistics",
            first: 5,
            second: found.len(),
        })?;
    let everyone: Vec<usize> = (0..sweep.prompts()).collect();
    damages_of(sweep, &everyone, &mut damages);
    damages.sort_by(|a, b| b.total_cmp(a));
    Ok(Brittleness {
        mean,
        worst,
        severity: heavy,
        gini: unequal,
        worst_5_percent: tail,
        over_20: damages.iter().filter(|&&m| m > HEAVY).count(),
        curve: damages,
        under_disturbance: None,
        spare_capacity: None,
    })
}

/// Severity of `first` minus that of `second`, with a 95% bootstrap interval paired over prompts: each resample
/// measures both on the same prompts. There is no interval where no component of either exceeds the threshold in any
/// resample.
///
/// # Errors
/// [`AuditError::Mismatch`] when the sweeps are of different prompts, [`AuditError::Stats`] as [`brittleness`].
pub fn severity_difference(
    first: &Sweep,
    second: &Sweep,
    alpha: f64,
    bootstrap: &Bootstrap,
) -> Result<Estimate, AuditError> {
    difference(first, second, bootstrap, |damages| severity(damages, alpha).unwrap_or(f64::NAN))
}

/// Mean damage of `first` minus that of `second`, in percentage points; as [`severity_difference`].
///
/// # Errors
/// As [`severity_difference`].
pub fn mean_difference(first: &Sweep, second: &Sweep, bootstrap: &Bootstrap) -> Result<Estimate, AuditError> {
    difference(first, second, bootstrap, mean_of)
}

fn difference(
    first: &Sweep,
    second: &Sweep,
    bootstrap: &Bootstrap,
    figure: impl Fn(&[f64]) -> f64,
) -> Result<Estimate, AuditError> {
    same_prompts(first, second)?;
    let mut ours = vec![0.0; first.components()];
    let mut theirs = vec![0.0; second.components()];
    Ok(bootstrap.statistic(first.prompts(), |chosen| {
        damages_of(first, chosen, &mut ours);
        damages_of(second, chosen, &mut theirs);
        figure(&ours) - figure(&theirs)
    })?)
}

fn mean_of(damages: &[f64]) -> f64 {
    damages.iter().sum::<f64>() / damages.len() as f64
}

/// Slope of brittleness in compression, `beta = (mean damage of student - mean damage of teacher) / C` with
/// `C = (P_t - P_s) / P_t` from the two parameter counts, teacher first (Haskins & Adams 2025); `None` when the
/// student is not the smaller. The 95% bootstrap interval is paired over prompts.
///
/// # Errors
/// [`AuditError::Mismatch`] when the sweeps are of different prompts, [`AuditError::Stats`] as [`brittleness`].
pub fn slope(
    teacher: &Sweep,
    student: &Sweep,
    parameters: (u64, u64),
    bootstrap: &Bootstrap,
) -> Result<Option<Slope>, AuditError> {
    same_prompts(teacher, student)?;
    let (large, small) = (parameters.0 as f64, parameters.1 as f64);
    if small >= large {
        return Ok(None);
    }
    let compression = (large - small) / large;
    let beta = difference(student, teacher, bootstrap, |damages| mean_of(damages) / compression)?;
    Ok(Some(Slope { compression, beta }))
}

pub(super) fn same_prompts(first: &Sweep, second: &Sweep) -> Result<(), AuditError> {
    let (first, second) = (first.prompts(), second.prompts());
    if first == second { Ok(()) } else { Err(AuditError::Mismatch { what: "prompts", first, second }) }
}

pub(super) fn damages_of(sweep: &Sweep, chosen: &[usize], damages: &mut [f64]) {
    sweep.scores(chosen, damages);
    for value in damages {
        *value = damage(*value);
    }
}
