//! Cross-entropy with the tokens of the data.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Objective, one};

/// Mean over the predictions of `-ln q_y`, with `q = softmax(z_student)` at temperature 1 and `y` the next token
/// of the data, in nats.
///
/// Source: the hard-target term of Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2; supervised
/// fine-tuning on data a teacher wrote, Xu et al. 2024 (arXiv 2402.13116), equation 9.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropy {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { weight: one() }
    }
}

impl Objective for CrossEntropy {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs { head: Some(HeadTermKind::CrossEntropy), ..Needs::default() }
    }
}
