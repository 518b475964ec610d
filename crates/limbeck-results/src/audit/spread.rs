//! How the logit difference spreads over prompts.

use limbeck_stats::Estimate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spread of a network's logit difference over the prompts of a task, in logits.
///
/// A mean may come from prompts that are all alike, or from a few that carry it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Standard deviation, with `n - 1` below the root.
    pub standard_deviation: Estimate,
    /// A quarter of the prompts are below.
    pub lower_quartile: Estimate,
    /// Half of the prompts are below.
    pub median: Estimate,
    /// A quarter of the prompts are above.
    pub upper_quartile: Estimate,
}
