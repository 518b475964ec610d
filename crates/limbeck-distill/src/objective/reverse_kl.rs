//! Reverse Kullback-Leibler divergence from student to teacher.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Objective, one};

/// Mean over the predictions of
///
/// `T^2 * sum_v q_v * ln(q_v / p_v)`, with `p = softmax(z_teacher / T)`, `q = softmax(z_student / T)`, in nats.
///
/// Source: Xu et al. 2024 (arXiv 2402.13116), equation 10 (mode seeking); "RevKD = KL(P_S || P_T) T^2" of
/// Ramesh et al. 2025 (arXiv 2505.15442). The tokens are those of the data; nothing is sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReverseKl {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
}

impl Default for ReverseKl {
    fn default() -> Self {
        Self { weight: one(), temperature: one() }
    }
}

impl Objective for ReverseKl {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs::distribution(self.temperature, HeadTermKind::ReverseKl { temperature: self.temperature })
    }
}
