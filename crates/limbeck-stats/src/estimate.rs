//! A value with its interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point estimate with the interval it was measured to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
}
