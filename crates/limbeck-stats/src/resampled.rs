//! Values on resamples themselves, for whoever makes more than one interval of them.

use crate::error::check_finite;
use crate::{Bootstrap, StatsError};

impl Bootstrap {
    /// What `statistics` is on all units, and on every resample of them: `resamples` rows of `outputs` values, the units
    /// of a resample the same for all outputs.
    ///
    /// # Errors
    /// No units, no resamples, or a value that is not finite.
    pub fn resampled(
        &self,
        units: usize,
        outputs: usize,
        mut statistics: impl FnMut(&[usize], &mut [f64]),
    ) -> Result<(Vec<f64>, Vec<Vec<f64>>), StatsError> {
        const WHAT: &str = "bootstrap";
        if units == 0 || outputs == 0 || self.resamples == 0 {
            return Err(StatsError::Empty { what: WHAT });
        }
        let mut point = vec![0.0; outputs];
        statistics(&(0..units).collect::<Vec<usize>>(), &mut point);
        check_finite(WHAT, &point)?;
        let mut rows = Vec::with_capacity(self.resamples);
        for (resample, chosen) in self.draws(units)?.enumerate() {
            let mut row = vec![0.0; outputs];
            statistics(&chosen, &mut row);
            if let Some(&value) = row.iter().find(|value| !value.is_finite()) {
                return Err(StatsError::UndefinedResample { resample, value });
            }
            rows.push(row);
        }
        Ok((point, rows))
    }
}
