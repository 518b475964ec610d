//! What can be wrong with numbers handed to a statistic.

/// Why a statistic could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// There is nothing to compute from.
    #[error("{what}: no values")]
    Empty {
        /// The statistic asked for.
        what: &'static str,
    },
    /// A value is NaN or infinite.
    #[error("{what}: value {index} is {value}, not a finite number")]
    NotFinite {
        /// The statistic asked for.
        what: &'static str,
        /// Position of the value, from 0.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// Two inputs that are paired have different lengths.
    #[error("{what}: paired inputs of different length, {first} and {second}")]
    Mismatched {
        /// The statistic asked for.
        what: &'static str,
        /// Length of the first input.
        first: usize,
        /// Length of the second input.
        second: usize,
    },
    /// A value lies outside the range the statistic is defined on.
    #[error("{what}: {value} is outside [{low}, {high}]")]
    OutOfRange {
        /// The statistic and the argument.
        what: &'static str,
        /// The value found.
        value: f64,
        /// Least admissible value.
        low: f64,
        /// Greatest admissible value.
        high: f64,
    },
    /// The statistic has no value on this input, such as a correlation with a constant.
    #[error("{what}: undefined, because {because}")]
    Undefined {
        /// The statistic asked for.
        what: &'static str,
        /// Why it has no value.
        because: &'static str,
    },
    /// A bootstrap resample on which the statistic is not finite.
    #[error("bootstrap: the statistic is {value} on resample {resample}")]
    UndefinedResample {
        /// The resample, from 0.
        resample: usize,
        /// The value found.
        value: f64,
    },
}

/// Refuses empty input and NaN or infinities.
pub(crate) fn check_finite(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() {
        return Err(StatsError::Empty { what });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { what, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Refuses paired inputs of different length.
pub(crate) fn check_paired(what: &'static str, first: usize, second: usize) -> Result<(), StatsError> {
    if first == second { Ok(()) } else { Err(StatsError::Mismatched { what, first, second }) }
}

/// Refuses a value outside `[low, high]`, and NaN.
pub(crate) fn check_range(what: &'static str, value: f64, low: f64, high: f64) -> Result<(), StatsError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(StatsError::OutOfRange { what, value, low, high })
    }
}
