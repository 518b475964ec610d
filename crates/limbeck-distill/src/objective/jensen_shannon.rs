//! Generalised Jensen-Shannon divergence between teacher and student.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::between_zero_and_one;
use super::{Needs, Objective, one};
use crate::DistillError;

/// Mean over the predictions of
///
/// `T^2 * (beta KL(p || m) + (1 - beta) KL(q || m))`, with `m = beta p + (1 - beta) q`,
/// `p = softmax(z_teacher / T)`, `q = softmax(z_student / T)`, in nats.
///
/// Source: Agarwal et al. 2024, GKD (arXiv 2306.13649), section 2: the generalised JSD. Divided by beta it goes
/// to the forward KL for beta -> 0, and divided by 1 - beta to the reverse KL for beta -> 1. At beta = 1/2 it is the
/// divergence of Xu et al. 2024 (arXiv 2402.13116), equation 10: symmetric, and at most `T^2 ln 2`. The factor
/// T^2 is that of the other divergences (Hinton et al. 2015, section 2). Of a captured signal, the tail is one
/// outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JensenShannon {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Share of the teacher in the mixture, above 0 and below 1.
    pub beta: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
}

impl Default for JensenShannon {
    fn default() -> Self {
        Self { weight: one(), beta: 0.5, temperature: one() }
    }
}

impl Objective for JensenShannon {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs::distribution(
            self.temperature,
            HeadTermKind::JensenShannon { beta: self.beta, temperature: self.temperature },
        )
    }

    fn check(&self, name: &str) -> Result<(), DistillError> {
        let right =
            "above 0 and below 1 (both ends are 0 for any student; use forward_kl or reverse_kl there)";
        between_zero_and_one(name, "beta", self.beta, right)
    }
}
