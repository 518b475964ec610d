//! Forward Kullback-Leibler divergence from teacher to student.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Objective, one};

/// Mean over the predictions of
///
/// `T^2 * sum_v p_v * ln(p_v / q_v)`, with `p = softmax(z_teacher / T)`, `q = softmax(z_student / T)`, in nats.
///
/// Source: Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2, equation 1, with the T^2 of the same
/// section, which keeps the size of the gradient `T (q - p)` comparable over temperatures (cross-entropy with
/// soft targets differs by the teacher's entropy, a constant). As the divergence of a generative student:
/// Xu et al. 2024 (arXiv 2402.13116), equation 10; "SeqKD" in the code of arXiv 2505.15442.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardKl {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
}

impl Default for ForwardKl {
    fn default() -> Self {
        Self { weight: one(), temperature: one() }
    }
}

impl Objective for ForwardKl {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs::distribution(self.temperature, HeadTermKind::ForwardKl { temperature: self.temperature })
    }
}
