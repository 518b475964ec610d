//! What a network still does as more and more of it is disturbed.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The curves of one network, all on the same prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DamageCurves {
    /// Prompts measured: some of the audit's, spread evenly over it.
    pub prompts: usize,
    /// Under noise at every head and every MLP at once; sizes are in standard deviations of what each says.
    pub noise: DamageCurve,
    /// With the k components of the largest single drops replaced by their means; sizes are k.
    pub worst_first: DamageCurve,
    /// With k components drawn at random replaced by their means; sizes are k.
    pub random: DamageCurve,
    /// Labels of the components in the order in which `worst_first` removes them.
    pub order: Vec<String>,
}

/// The score against the size of a disturbance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DamageCurve {
    /// Draws of the noise or of the order; figures are means over them.
    pub draws: usize,
    /// The points, sizes ascending. The untouched network, 100 by definition, is not among them.
    pub points: Vec<DamagePoint>,
    /// Mean over the points of the score clamped to 0 and 100, in percent: how much of the score is kept.
    pub kept: Estimate,
}

/// One size of a disturbance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DamagePoint {
    /// Standard deviations of the noise, or components removed.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub size: f64,
    /// `100 * LD_disturbed / LD_full`, in percent; interval over prompts.
    pub score: Estimate,
    /// Share of prompts answered right, in `[0, 1]`; interval over prompts.
    pub accuracy: Estimate,
    /// Lowest score of a single draw, in percent.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub lowest_draw: f64,
    /// Highest score of a single draw, in percent.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub highest_draw: f64,
}

/// What two networks keep of their scores, one minus the other, in percentage points, paired over prompts. Only
/// the sizes that both curves have count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeptDifference {
    /// Under noise.
    pub noise: Estimate,
    /// With the worst components removed.
    pub worst_first: Estimate,
    /// With random components removed.
    pub random: Estimate,
}
