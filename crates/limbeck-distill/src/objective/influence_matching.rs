//! Influence of the student's components, matched with the teacher's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::influence_spread::{check_step, default_step};
use super::{LayerMapping, Loss, Needs, Objective, Step, one};
use crate::DistillError;
use crate::soundness::share_distance;

/// `sum over the student's components c of (s_c - t_c)^2`, from 0 to 2, with the share `s_c = |I_c| / sum |I|` of each in the
/// student's influence and the share t_c of the teacher's components that stand behind it
/// ([`crate::soundness::Correspondence`]; `"uniform"` gives each student layer all the teacher's layers it stands for).
///
/// Influence and gradient are those of [`super::InfluenceSpread`]; the teacher's influence costs a forward and half a
/// backward pass of the teacher more.
///
/// Source: our own; the influence term `1 - |I_s - I_t|` of alignment in Haskins & Adams 2025 (arXiv 2505.10822) as an
/// objective, with the first-order importance of Michel, Levy, Neubig 2019 (arXiv 1905.10650).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InfluenceMatching {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Which teacher layers stand behind which student layer.
    pub layers: LayerMapping,
    /// Most that a gate moves in the central difference that gives the gradient.
    pub step: f64,
}

impl Default for InfluenceMatching {
    fn default() -> Self {
        Self { weight: one(), layers: LayerMapping::default(), step: default_step() }
    }
}

impl Objective for InfluenceMatching {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs {
            components: true,
            influence: true,
            layers: Some(&self.layers),
            own_pass: true,
            ..Needs::default()
        }
    }

    fn check(&self, name: &str) -> Result<(), DistillError> {
        check_step(name, self.step)
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        let target = step.taught_influence(&self.layers)?;
        step.influence(self.step, |influence, _| share_distance(influence, &target))
    }
}
