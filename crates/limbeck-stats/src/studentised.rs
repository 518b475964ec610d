//! The studentised bootstrap of means and their ratios, for few or skewed units.
//!
//! Each resample is measured in its own standard error, `t* = (theta* - theta) / se*`, and the interval runs from
//! `theta - t*_high se` to `theta - t*_low se` (Efron & Tibshirani 1993, chapter 12.5). Standard errors are those of sums over units by
//! linearisation: with a unit's residual `r`, `sqrt(n / (n - 1) sum r^2)`.

use crate::bootstrap::SMALLEST_SAMPLE;
use crate::distribution::student;
use crate::{Bootstrap, Cluster, Estimate, StatsError, describe};

/// From this many units intervals of means are percentiles.
pub const PERCENTILE_FROM: usize = 200;

/// A statistic and its standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    value: f64,
    error: f64,
}

impl Measured {
    fn new(value: f64, residuals: impl Iterator<Item = f64>) -> Self {
        let (mut n, mut squares) = (0.0, 0.0);
        for residual in residuals {
            n += 1.0;
            squares += residual * residual;
        }
        Self { value, error: (n / (n - 1.0_f64).max(1.0) * squares).sqrt() }
    }
}

/// A mean.
pub(crate) fn mean(values: impl Iterator<Item = f64> + Clone) -> Measured {
    ratio(values.map(|value| (value, 1.0)))
}

/// A sum over another.
pub(crate) fn ratio(units: impl Iterator<Item = (f64, f64)> + Clone) -> Measured {
    let (above, below) = units.clone().fold((0.0, 0.0), |(above, below), (a, b)| (above + a, below + b));
    let value = above / below;
    Measured::new(value, units.map(move |(a, b)| (a - value * b) / below))
}

/// The difference of two clustered means.
pub(crate) fn ratio_difference(units: impl Iterator<Item = (Cluster, Cluster)> + Clone) -> Measured {
    let (first, second) =
        units.clone().fold((Cluster::default(), Cluster::default()), |(first, second), (a, b)| {
            (Cluster::total([&first, &a]), Cluster::total([&second, &b]))
        });
    let (ours, theirs) = (first.mean(), second.mean());
    let residuals = units.map(move |(a, b)| {
        (a.sum - ours * a.count) / first.count - (b.sum - theirs * b.count) / second.count
    });
    Measured::new(ours - theirs, residuals)
}

impl Bootstrap {
    /// The interval of a statistic with a standard error: studentised below [`PERCENTILE_FROM`] units, else percentiles.
    pub(crate) fn smooth(
        &self,
        units: usize,
        measure: impl Fn(&[usize]) -> Measured,
    ) -> Result<Estimate, StatsError> {
        if !(SMALLEST_SAMPLE..PERCENTILE_FROM).contains(&units) {
            return self.statistic(units, |chosen| measure(chosen).value);
        }
        let whole = measure(&(0..units).collect::<Vec<usize>>());
        crate::error::check_finite("bootstrap", &[whole.value])?;
        // Differences of rounding alone are none.
        if whole.error <= 1e-14 * whole.value.abs() {
            return Ok(Estimate::alone(whole.value));
        }
        let mut ratios = Vec::with_capacity(self.resamples);
        for (resample, chosen) in self.draws(units)?.enumerate() {
            let found = measure(&chosen);
            if !found.value.is_finite() {
                return Err(StatsError::UndefinedResample { resample, value: found.value });
            }
            let off = found.value - whole.value;
            ratios.push(if off == 0.0 { 0.0 } else { off / found.error });
        }
        self.studentised(whole, ratios, units)
    }

    fn studentised(
        &self,
        whole: Measured,
        mut ratios: Vec<f64>,
        units: usize,
    ) -> Result<Estimate, StatsError> {
        const WHAT: &str = "studentised bootstrap";
        let t = student(WHAT, self.confidence, units as f64 - 1.0)?;
        // A resample of equal units has no standard error. Where those reach into the tails, the tail is Student's.
        let tail = (1.0 - self.confidence) / 2.0;
        let largest = 1e3 * t;
        ratios.iter_mut().for_each(|ratio| *ratio = ratio.clamp(-largest, largest));
        ratios.sort_unstable_by(f64::total_cmp);
        let end = |q: f64, instead: f64| -> Result<f64, StatsError> {
            let found = describe::quantile(&ratios, q)?;
            Ok(if found.abs() >= largest { instead } else { found })
        };
        let (low, high) = (end(tail, -t)?, end(1.0 - tail, t)?);
        Ok(Estimate {
            value: whole.value,
            low: whole.value - high.max(t) * whole.error,
            high: whole.value - low.min(-t) * whole.error,
        })
    }
}
