//! The bootstrap (Efron & Tibshirani 1993, chapters 12 to 14): percentiles, and studentised for means of few units.
//!
//! `resamples` times, as many units as there are are drawn with replacement and the statistic is
//! computed again; the interval runs between the quantiles `(1 - c) / 2` and `(1 + c) / 2` of those
//! values. A statistic that is biased under resampling (a maximum, a calibration error) can put all
//! of them on one side of the estimate; the interval is then widened to hold it, which can only
//! raise its coverage.
//!
//! Fewer than [`SMALLEST_SAMPLE`] units, and units on which the statistic never changes, say nothing of its spread: the
//! estimate is then without an interval ([`Estimate::alone`]), never one of zero width. A share has one all the same:
//! [`crate::proportion`], [`crate::clustered_proportion`], [`crate::bounded_mean`]. Means and their ratios of fewer than
//! [`crate::PERCENTILE_FROM`] units are studentised, because percentiles cover too little there. Resample `r` draws from stream `r` of the seeded generator, so a resample
//! does not depend on those before it.

use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_chacha::ChaCha8Rng;

use crate::error::{check_finite, check_paired, check_range};
use crate::{Cluster, Estimate, StatsError, describe, studentised};

/// Below this many units a bootstrap gives no interval.
pub const SMALLEST_SAMPLE: usize = 8;

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Resamples drawn.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Confidence of the interval, in `(0, 1)`.
    pub confidence: f64,
}

impl Default for Bootstrap {
    /// 10,000 resamples, seed 42, 95% (papers: Haskins & Adams 2025).
    fn default() -> Self {
        Self { resamples: 10_000, seed: 42, confidence: 0.95 }
    }
}

impl Bootstrap {
    /// The default with another seed.
    pub fn with_seed(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The same with another number of resamples.
    #[must_use]
    pub fn with_resamples(self, resamples: usize) -> Self {
        Self { resamples, ..self }
    }

    /// The mean of `values`.
    ///
    /// # Errors
    /// Empty input, or a value that is not finite.
    pub fn mean(&self, values: &[f64]) -> Result<Estimate, StatsError> {
        check_finite("bootstrap of a mean", values)?;
        self.smooth(values.len(), |units| studentised::mean(units.iter().map(|&unit| values[unit])))
    }

    /// The mean of `first[i] - second[i]`, the pairs resampled together.
    ///
    /// # Errors
    /// Empty input, inputs of different length, or a value that is not finite.
    pub fn difference(&self, first: &[f64], second: &[f64]) -> Result<Estimate, StatsError> {
        check_paired("bootstrap of a paired difference", first.len(), second.len())?;
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        self.mean(&differences)
    }

    /// `sum of sums / sum of counts`: the mean over items, resampling the clusters they come in.
    ///
    /// Clusters without items are left out: they carry nothing.
    ///
    /// # Errors
    /// No items, a sum that is not finite, or a count that is negative or not finite.
    pub fn ratio(&self, clusters: &[Cluster]) -> Result<Estimate, StatsError> {
        const WHAT: &str = "bootstrap of a clustered mean";
        check_clusters(WHAT, clusters)?;
        let full: Vec<Cluster> = clusters.iter().copied().filter(|c| c.count > 0.0).collect();
        if full.is_empty() {
            return Err(StatsError::Empty { what: WHAT });
        }
        self.smooth(full.len(), |units| {
            studentised::ratio(units.iter().map(|&unit| (full[unit].sum, full[unit].count)))
        })
    }

    /// The difference of two clustered means over the same units, resampled together.
    ///
    /// Units without items on either side are left out.
    ///
    /// # Errors
    /// As [`Bootstrap::ratio`], and inputs of different length, or a unit that has items on one
    /// side only.
    pub fn ratio_difference(&self, first: &[Cluster], second: &[Cluster]) -> Result<Estimate, StatsError> {
        const WHAT: &str = "bootstrap of a paired difference of clustered means";
        check_paired(WHAT, first.len(), second.len())?;
        check_clusters(WHAT, first)?;
        check_clusters(WHAT, second)?;
        let mut pairs = Vec::with_capacity(first.len());
        for (a, b) in first.iter().zip(second) {
            match (a.count > 0.0, b.count > 0.0) {
                (true, true) => pairs.push((*a, *b)),
                (false, false) => {}
                _ => {
                    return Err(StatsError::Undefined {
                        what: WHAT,
                        because: "a unit has items on one side only",
                    });
                }
            }
        }
        if pairs.is_empty() {
            return Err(StatsError::Empty { what: WHAT });
        }
        self.smooth(pairs.len(), |units| studentised::ratio_difference(units.iter().map(|&unit| pairs[unit])))
    }

    /// `mean(numerator) / mean(denominator)`, the pairs resampled together.
    ///
    /// # Errors
    /// Empty input, inputs of different length, a value that is not finite, or a resample whose
    /// denominator is zero.
    pub fn ratio_of_means(&self, numerator: &[f64], denominator: &[f64]) -> Result<Estimate, StatsError> {
        const WHAT: &str = "bootstrap of a ratio of means";
        check_paired(WHAT, numerator.len(), denominator.len())?;
        check_finite(WHAT, numerator)?;
        check_finite(WHAT, denominator)?;
        self.smooth(numerator.len(), |units| {
            studentised::ratio(units.iter().map(|&unit| (numerator[unit], denominator[unit])))
        })
    }

    /// Any statistic of a set of units, by percentiles.
    ///
    /// `statistic` is called first with `0..units` for the estimate, then with the indices of each
    /// resample, in any order and with repetition.
    ///
    /// # Errors
    /// No units, or a statistic that is not finite on the units or on a resample.
    pub fn statistic(
        &self,
        units: usize,
        mut statistic: impl FnMut(&[usize]) -> f64,
    ) -> Result<Estimate, StatsError> {
        let estimates = self.statistics(units, 1, |chosen, out| out[0] = statistic(chosen))?;
        Ok(estimates[0])
    }

    /// Several statistics of the same resamples: `statistics` fills `outputs` values a call.
    ///
    /// # Errors
    /// As [`Bootstrap::statistic`].
    pub fn statistics(
        &self,
        units: usize,
        outputs: usize,
        mut statistics: impl FnMut(&[usize], &mut [f64]),
    ) -> Result<Vec<Estimate>, StatsError> {
        const WHAT: &str = "bootstrap";
        check_range("confidence of a bootstrap interval", self.confidence, 0.0, 1.0)?;
        if units == 0 || self.resamples == 0 {
            return Err(StatsError::Empty { what: WHAT });
        }
        let mut point = vec![0.0; outputs];
        statistics(&(0..units).collect::<Vec<usize>>(), &mut point);
        check_values(WHAT, &point)?;

        let mut values = vec![Vec::with_capacity(self.resamples); outputs];
        let mut out = vec![0.0; outputs];
        for (resample, chosen) in self.draws(units)?.enumerate() {
            statistics(&chosen, &mut out);
            for (kept, &value) in values.iter_mut().zip(&out) {
                if !value.is_finite() {
                    return Err(StatsError::UndefinedResample { resample, value });
                }
                kept.push(value);
            }
        }
        if units < SMALLEST_SAMPLE {
            return Ok(point.into_iter().map(Estimate::alone).collect());
        }
        point.into_iter().zip(values).map(|(value, resampled)| self.interval(value, resampled)).collect()
    }

    /// The units of every resample, in the order in which [`Bootstrap::statistics`] sees them.
    ///
    /// # Errors
    /// No units.
    pub fn draws(&self, units: usize) -> Result<impl Iterator<Item = Vec<usize>>, StatsError> {
        let draw = Uniform::new(0, units).map_err(|_| StatsError::Empty { what: "bootstrap" })?;
        let seeded = ChaCha8Rng::seed_from_u64(self.seed);
        Ok((0..self.resamples).map(move |resample| {
            let mut stream = seeded.clone();
            stream.set_stream(resample as u64);
            (0..units).map(|_| draw.sample(&mut stream)).collect()
        }))
    }

    /// The estimate `value` with the interval that values on resamples give it; without one when none differs from it.
    ///
    /// # Errors
    /// No resamples, a value that is not finite, or a confidence outside `[0, 1]`.
    pub fn interval(&self, value: f64, mut resampled: Vec<f64>) -> Result<Estimate, StatsError> {
        check_range("confidence of a bootstrap interval", self.confidence, 0.0, 1.0)?;
        let tail = (1.0 - self.confidence) / 2.0;
        resampled.sort_unstable_by(f64::total_cmp);
        let low = describe::quantile(&resampled, tail)?.min(value);
        let high = describe::quantile(&resampled, 1.0 - tail)?.max(value);
        // Resamples that differ by rounding alone do not differ.
        let apart = high - low > 1e-12 * value.abs();
        Ok(if apart { Estimate { value, low, high } } else { Estimate::alone(value) })
    }
}

/// As `check_finite`, but no outputs at all is a caller's choice rather than an error.
fn check_values(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() { Ok(()) } else { check_finite(what, values) }
}

fn check_clusters(what: &'static str, clusters: &[Cluster]) -> Result<(), StatsError> {
    for (index, cluster) in clusters.iter().enumerate() {
        if !cluster.sum.is_finite() {
            return Err(StatsError::NotFinite { what, index, value: cluster.sum });
        }
        check_range("count of a cluster", cluster.count, 0.0, f64::MAX)?;
    }
    Ok(())
}
