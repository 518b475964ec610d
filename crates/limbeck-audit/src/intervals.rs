//! Intervals over prompts: shares of them, and figures of fewer than give an interval.

use limbeck_results::Estimate;
use limbeck_stats::{Bootstrap, SMALLEST_SAMPLE, StatsError, bounded_mean};

/// The estimate of a figure over so many prompts, without its interval where they are too few for one. [`Bootstrap`] does this
/// itself where it knows the number.
pub(crate) fn told(found: Estimate, prompts: usize) -> Estimate {
    if prompts < SMALLEST_SAMPLE { Estimate::alone(found.value) } else { found }
}

/// The mean of shares in `[0, 1]`, one per prompt, with an interval that has a width also where all prompts agree.
pub(crate) fn share(bootstrap: &Bootstrap, shares: &[f64]) -> Result<Estimate, StatsError> {
    Ok(told(bounded_mean(shares, bootstrap.confidence)?, shares.len()))
}

/// The share of prompts that are so, as [`share`].
pub(crate) fn share_of(
    bootstrap: &Bootstrap,
    prompts: impl IntoIterator<Item = bool>,
) -> Result<Estimate, StatsError> {
    share(bootstrap, &prompts.into_iter().map(|yes| f64::from(u8::from(yes))).collect::<Vec<f64>>())
}
