//! Divergence from the teacher while components are removed.

use limbeck_kernels::HeadTermKind;
use limbeck_model::Fill;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LayerMapping, Loss, Needs, Objective, Removal, Step, one};
use crate::DistillError;
use crate::soundness::Probability;
use crate::soundness::probability::POSSIBLE;

/// The forward KL divergence of [`super::ForwardKl`], `T^2 KL(p, q)`, with heads and MLPs removed at random from one or both:
///
/// * `student`: the student without some components answers as the whole teacher does. What is left must do without them;
/// * `both`: the student without some components answers as the teacher without those that stand behind them
///   ([`crate::soundness::Correspondence`]). A component comes to mean for the student what it means for the teacher;
/// * `teacher`: the whole student answers as the teacher without some components: noise on the teacher as augmentation,
///   to be mixed with the whole teacher's answers by its weight.
///
/// Components are drawn on the student's side, each with its probability, anew for every sequence, as a function of seed, step
/// and micro-batch. Where nothing was drawn nothing is removed. Those that stay are not rescaled. A student that loses components
/// is passed once more; so is a teacher.
///
/// Source: our own. `student` is dropout of components (LayerDrop, arXiv 1909.11556) with the teacher as the target;
/// `both` is in the spirit of interchange interventions in distillation (Wu et al. 2021, arXiv 2112.02505).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AblationKl {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Temperature T of both softmaxes.
    pub temperature: f64,
    /// Who loses components.
    pub removed: RemovedFrom,
    /// Probability of each head of the student (and those of the teacher behind it).
    pub heads: Probability,
    /// Probability of each MLP.
    pub mlps: Probability,
    /// What stands in the place of a removed component.
    pub fill: Fill,
    /// Which teacher layers stand behind which student layer.
    pub layers: LayerMapping,
}

/// Who loses components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemovedFrom {
    /// The student.
    #[default]
    Student,
    /// The teacher.
    Teacher,
    /// The student, and the teacher what stands behind it.
    Both,
}

impl Default for AblationKl {
    fn default() -> Self {
        Self {
            weight: one(),
            temperature: one(),
            removed: RemovedFrom::default(),
            heads: Probability::Constant(0.1),
            mlps: Probability::Constant(0.1),
            fill: Fill::default(),
            layers: LayerMapping::default(),
        }
    }
}

impl Objective for AblationKl {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        let removal = Removal { heads: self.heads, mlps: self.mlps, fill: self.fill, from: self.removed };
        Needs {
            distribution: Some(self.temperature),
            components: self.removed.of_teacher(),
            layers: Some(&self.layers),
            removal: Some(removal),
            ..Needs::default()
        }
    }

    fn check(&self, name: &str) -> Result<(), DistillError> {
        let refuse = |key, found: String, right| {
            Err(DistillError::Setting { objective: name.to_string(), key, found, right })
        };
        for (key, probability) in [("heads", self.heads), ("mlps", self.mlps)] {
            if !probability.is_possible() {
                return refuse(key, format!("{probability:?}"), POSSIBLE);
            }
        }
        if self.heads.is_never() && self.mlps.is_never() {
            return refuse(
                "heads",
                "0, as mlps is".to_string(),
                "above 0 for heads or mlps: nothing is ever removed",
            );
        }
        Ok(())
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        let drawn = step.batch.ablated.get(&step.index);
        let hidden = match drawn.and_then(|drawn| drawn.student.as_ref()) {
            Some(removed) => step.hidden_without(removed, self.fill),
            None => step.hidden()?,
        };
        let signal = drawn.and_then(|drawn| drawn.signal.as_ref()).or(step.batch.signal.as_ref());
        let kind = HeadTermKind::ForwardKl { temperature: self.temperature };
        step.head_term(hidden, signal, self.temperature, kind)
    }
}

impl RemovedFrom {
    /// Whether the teacher loses components.
    pub fn of_teacher(self) -> bool {
        self != Self::Student
    }

    /// Whether the student loses components.
    pub fn of_student(self) -> bool {
        self != Self::Teacher
    }
}
