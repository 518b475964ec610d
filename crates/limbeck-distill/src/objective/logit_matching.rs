//! Matching of zero-meaned logits: the limit of the soft term at high temperature.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Objective, one};

/// Mean over the predictions of
///
/// `1/(2N) * sum_v ((z_v - mean z) - (t_v - mean t))^2`, with the student's logits z and the teacher's t over the N
/// tokens of the vocabulary.
///
/// Source: Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2.1: for a temperature far above the logits, and
/// logits of mean zero, the gradient of the soft term with its T^2 becomes `(z_v - t_v) / N`. The means are taken off
/// here, since a softmax does not see them. It needs a teacher that gives its whole logits: captured signals keep
/// the k largest only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogitMatching {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
}

impl Default for LogitMatching {
    fn default() -> Self {
        Self { weight: one() }
    }
}

impl Objective for LogitMatching {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs { logits: true, head: Some(HeadTermKind::LogitMatching), ..Needs::default() }
    }
}
