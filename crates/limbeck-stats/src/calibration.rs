//! Expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3).

use crate::error::{check_finite, check_paired, check_range};
use crate::{Bootstrap, Estimate, StatsError};

/// Equal-width bins over `(0, 1]`; bin `b` holds confidences in `(b / 15, (b + 1) / 15]`.
pub const CALIBRATION_BINS: usize = 15;

/// What an example's predictions contribute to the calibration error.
///
/// With `n` predictions in all, `ECE = sum over b of n_b / n * |acc_b - conf_b|`, and
/// `n_b (acc_b - conf_b)` is the sum of `correct - confidence` over the bin: those sums are kept.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reliability {
    count: u64,
    excess: [f64; CALIBRATION_BINS],
}

impl Reliability {
    /// No predictions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a prediction made with `confidence` in `[0, 1]`.
    ///
    /// A confidence beyond 1 by rounding belongs to the last bin.
    ///
    /// # Errors
    /// A confidence that is NaN, below 0 or above 1 by more than `1e-6`.
    pub fn add(&mut self, confidence: f64, correct: bool) -> Result<(), StatsError> {
        check_range("confidence", confidence, 0.0, 1.0 + 1e-6)?;
        let confidence = confidence.min(1.0);
        let bin = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
        let bin = bin.saturating_sub(1).min(CALIBRATION_BINS - 1);
        self.excess[bin] += f64::from(u8::from(correct)) - confidence;
        self.count += 1;
        Ok(())
    }

    /// Adds another example's predictions.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (mine, theirs) in self.excess.iter_mut().zip(&other.excess) {
            *mine += theirs;
        }
    }

    /// Predictions added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The calibration error of the predictions added, in `[0, 1]`.
    ///
    /// # Errors
    /// No predictions.
    pub fn ece(&self) -> Result<f64, StatsError> {
        if self.count == 0 {
            return Err(StatsError::Empty { what: "expected calibration error" });
        }
        Ok(self.unchecked_ece())
    }

    fn unchecked_ece(&self) -> f64 {
        self.excess.iter().map(|excess| excess.abs()).sum::<f64>() / self.count as f64
    }

    fn total<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |mut total, one| {
            total.merge(one);
            total
        })
    }
}

/// The calibration error of predictions taken together, in `[0, 1]`.
///
/// # Errors
/// Empty input, inputs of different length, or a confidence outside `[0, 1]`.
pub fn expected_calibration_error(confidences: &[f64], correct: &[bool]) -> Result<f64, StatsError> {
    const WHAT: &str = "expected calibration error";
    check_paired(WHAT, confidences.len(), correct.len())?;
    check_finite(WHAT, confidences)?;
    let mut all = Reliability::new();
    for (&confidence, &right) in confidences.iter().zip(correct) {
        all.add(confidence, right)?;
    }
    all.ece()
}

impl Bootstrap {
    /// The calibration error over all predictions, resampling the examples they come in.
    ///
    /// Examples without predictions are left out.
    ///
    /// # Errors
    /// No predictions.
    pub fn ece(&self, examples: &[Reliability]) -> Result<Estimate, StatsError> {
        let full: Vec<&Reliability> = examples.iter().filter(|one| one.count > 0).collect();
        self.statistic(full.len(), |units| {
            Reliability::total(units.iter().map(|&unit| full[unit])).unchecked_ece()
        })
    }

    /// The difference of two calibration errors over the same examples, resampled together.
    ///
    /// # Errors
    /// Inputs of different length, no predictions, or an example with predictions on one side only.
    pub fn ece_difference(
        &self,
        first: &[Reliability],
        second: &[Reliability],
    ) -> Result<Estimate, StatsError> {
        const WHAT: &str = "bootstrap of a paired difference of calibration errors";
        check_paired(WHAT, first.len(), second.len())?;
        let mut pairs = Vec::with_capacity(first.len());
        for (a, b) in first.iter().zip(second) {
            match (a.count > 0, b.count > 0) {
                (true, true) => pairs.push((a, b)),
                (false, false) => {}
                _ => {
                    return Err(StatsError::Undefined {
                        what: WHAT,
                        because: "an example has predictions on one side only",
                    });
                }
            }
        }
        self.statistic(pairs.len(), |units| {
            Reliability::total(units.iter().map(|&unit| pairs[unit].0)).unchecked_ece()
                - Reliability::total(units.iter().map(|&unit| pairs[unit].1)).unchecked_ece()
        })
    }
}
