//! A value with its interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number;

/// A point estimate with the interval it was measured to.
///
/// Where nothing is known of the spread (too few units, or values that are all the same) there is no interval: both ends are
/// NaN, see [`Estimate::alone`]. In JSON a number that is not finite is `null`, and reads back as NaN.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The point estimate.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Lower end of the 95% interval.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub low: f64,
    /// Upper end of the 95% interval.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub high: f64,
}

/// Equal when they read the same: two without an interval are equal where their values are.
impl PartialEq for Estimate {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: f64, other: f64| one == other || (one.is_nan() && other.is_nan());
        same(self.value, other.value) && same(self.low, other.low) && same(self.high, other.high)
    }
}

impl Estimate {
    /// A value known exactly: the interval is the value.
    pub fn point(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// A value whose interval is not known.
    pub fn alone(value: f64) -> Self {
        Self { value, low: f64::NAN, high: f64::NAN }
    }

    /// Whether there is an interval.
    pub fn has_interval(&self) -> bool {
        !self.low.is_nan() && !self.high.is_nan()
    }

    /// The estimate of `f` of the quantity, for an increasing `f` (perplexity is `loss.map(f64::exp)`).
    ///
    /// Percentile intervals carry over to increasing transformations as they are.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), low: f(self.low), high: f(self.high) }
    }

    /// Whether `x` lies in the interval, ends included.
    pub fn holds(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }

    /// Whether value and both ends are finite.
    pub fn is_finite(&self) -> bool {
        self.value.is_finite() && self.low.is_finite() && self.high.is_finite()
    }
}
