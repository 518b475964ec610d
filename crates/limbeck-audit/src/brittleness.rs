//! How hard a network leans on single components.

use limbeck_results::Brittleness;
use limbeck_stats::{Bootstrap, damage, gini, severity, worst_fraction_mean};

use crate::{AuditError, Sweep};

/// Damage from which a component counts as carrying much, in percentage points.
const HEAVY: f64 = 20.0;

/// Brittleness from a mean-ablation sweep.
///
/// With the damage `m = 100 - clamp(score, 0, 100)` of every component: its mean, its largest, severity
/// `mean(max(0, m - 20) / 80)`, the Gini coefficient and the mean of the worst 5%; each with a 95% bootstrap
/// interval that resamples prompts and computes all damages anew. The largest of noisy damages is biased
/// upwards, and more so in resamples: its interval is to be read as one of what a like sweep would show.
///
/// # Errors
/// [`AuditError::Stats`] when a resample has no logit difference to lose a share of.
pub fn brittleness(sweep: &Sweep, bootstrap: &Bootstrap) -> Result<Brittleness, AuditError> {
    let mut damages = vec![0.0; sweep.components()];
    let [mean, worst, heavy, unequal, tail] =
        <[_; 5]>::try_from(bootstrap.statistics(sweep.prompts(), 5, |chosen, out| {
            damages_of(sweep, chosen, &mut damages);
            // A damage that is not a number makes the statistic one, and that is refused.
            out[0] = damages.iter().sum::<f64>() / damages.len() as f64;
            out[1] = damages.iter().copied().fold(0.0, f64::max);
            out[2] = severity(&damages, 1.0).unwrap_or(f64::NAN);
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
    })
}

fn damages_of(sweep: &Sweep, chosen: &[usize], damages: &mut [f64]) {
    sweep.scores(chosen, damages);
    for value in damages {
        *value = damage(*value);
    }
}
