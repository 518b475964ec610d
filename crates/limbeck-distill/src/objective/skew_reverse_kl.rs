//! Skewed reverse Kullback-Leibler divergence: from the student to a mixture of student and teacher.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::between_zero_and_one;
use super::{Needs, Objective, one};
use crate::DistillError;

/// Mean over the predictions of
///
/// `T^2 * KL(q || (1 - alpha) p + alpha q)`, with `p = softmax(z_teacher / T)`, `q = softmax(z_student / T)`, in nats.
///
/// Source: Ko et al. 2024, DistiLLM (arXiv 2402.03898), section 3.1: the alpha-skew reverse KL, which stays finite where
/// the teacher gives a token of the student no mass. For alpha -> 0 it is the reverse KL; it is at most
/// `-T^2 ln(alpha)`. The factor T^2 is that of the other divergences (Hinton et al. 2015, section 2); the paper works at
/// T = 1. Of a captured signal, the tail is one outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SkewReverseKl {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Share of the student in the mixture, above 0 and below 1; the paper's choice is 0.1.
    pub alpha: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
}

impl Default for SkewReverseKl {
    fn default() -> Self {
        Self { weight: one(), alpha: 0.1, temperature: one() }
    }
}

impl Objective for SkewReverseKl {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs::distribution(
            self.temperature,
            HeadTermKind::SkewReverseKl { alpha: self.alpha, temperature: self.temperature },
        )
    }

    fn check(&self, name: &str) -> Result<(), DistillError> {
        let right = "above 0 and below 1 (0 is reverse_kl, 1 is 0 for any student)";
        between_zero_and_one(name, "alpha", self.alpha, right)
    }
}
