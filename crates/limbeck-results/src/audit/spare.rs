//! How much of a removed component's effect others take over.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spare capacity of a network: self-repair after single removals (McGrath et al. 2023, arXiv 2307.15771; Rushing &
/// Nanda 2024, arXiv 2402.15390).
///
/// The direct effect `D` of a component is what `LD` loses when its mean takes its place in the final residual
/// stream only; the total effect `T` is what `LD` loses when its mean takes its place and all later components see
/// that. `D - T` is what they make good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpareCapacity {
    /// `sum of clamp(D - T, 0, D) / sum of D` over the components with `D > 0`, in `[0, 1]`: the share of all direct
    /// effect that is made good when the component it comes from is removed.
    pub taken_over: Estimate,
    /// The components of the largest direct effects, largest first.
    pub components: Vec<Repair>,
}

/// A component's direct and total effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// Its label.
    pub component: String,
    /// `100 * mean D / mean LD`, in percentage points.
    pub direct: Estimate,
    /// `100 * mean T / mean LD`, in percentage points: its drop.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub total: f64,
}
