//! Where chosen heads look on one prompt, small enough to draw.

use limbeck_stats::number;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Attention of the heads with the largest drops on an example prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttentionPicture {
    /// The tokens of the example prompt, as text.
    pub tokens: Vec<String>,
    /// The heads, largest drop first.
    pub heads: Vec<HeadPicture>,
}

/// One head's attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadPicture {
    /// Its label.
    pub component: String,
    /// Its mean attention over the prompts of the example's group (equal positions play equal parts there): the lower
    /// triangle row by row, query 0 first, `n (n + 1) / 2` values in `[0, 1]`, rounded to four decimals.
    #[serde(with = "number::list")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub attention: Vec<f64>,
}
