//! Total variation distance between teacher and student.

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Objective, one};

/// Mean over the predictions of
///
/// `T^2 * 1/2 sum_v |p_v - q_v|`, with `p = softmax(z_teacher / T)`, `q = softmax(z_student / T)`; at most `T^2`.
///
/// Source: Wen et al. 2023, f-distill (arXiv 2307.15190), section 3.2: symmetric, and bounded where the student gives a likely
/// token no mass. The factor T^2 is that of the other divergences (Hinton et al. 2015, section 2); the paper works at T = 1. Of a
/// captured signal, the tail is one outcome, which makes it a lower bound of the distance over the vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TotalVariation {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
}

impl Default for TotalVariation {
    fn default() -> Self {
        Self { weight: one(), temperature: one() }
    }
}

impl Objective for TotalVariation {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs::distribution(self.temperature, HeadTermKind::TotalVariation { temperature: self.temperature })
    }
}
