//! A penalty on influence that few components have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, Needs, Objective, Step, one};
use crate::DistillError;
use crate::soundness::{Penalty, herfindahl, severity};

/// How unevenly the influence of the student's heads and MLPs is spread. Needs no teacher.
///
/// Influence is the first-order effect of a component's gate on the margin of the data's tokens over the predictions of
/// the micro-batch, the mean over the micro-batch's tokens standing in for what is removed
/// ([`limbeck_model::Margin::influence`]); it costs a forward pass and half a backward pass, the penalty's gradient two of both.
///
/// Source: our own, of the importance of Michel, Levy, Neubig 2019 (arXiv 1905.10650) and the severity of Haskins & Adams
/// 2025 (arXiv 2505.10822); the gradient is [`crate::soundness::directional()`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InfluenceSpread {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// What is penalised.
    pub measure: SpreadMeasure,
    /// Most that a gate moves in the central difference that gives the gradient.
    pub step: f64,
}

/// A measure of concentration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpreadMeasure {
    /// The Herfindahl index of squared influences, from 1/components to 1.
    #[default]
    Herfindahl,
    /// The mean square of what each component's share of the margin has above 20%, from 0: zero once none has more.
    Severity,
}

impl Default for InfluenceSpread {
    fn default() -> Self {
        Self { weight: one(), measure: SpreadMeasure::default(), step: default_step() }
    }
}

/// Most that a gate moves, when a recipe does not say: the error of the difference goes with its square, the rounding with
/// its inverse.
pub(super) fn default_step() -> f64 {
    0.05
}

impl Objective for InfluenceSpread {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs { own_pass: true, ..Needs::default() }
    }

    fn check(&self, name: &str) -> Result<(), DistillError> {
        check_step(name, self.step)
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        step.influence(self.step, |influence, margin| self.penalty(influence, margin))
    }
}

impl InfluenceSpread {
    /// The penalty on influences and margin.
    fn penalty(&self, influence: &[f64], margin: f64) -> Penalty {
        match self.measure {
            SpreadMeasure::Herfindahl => herfindahl(influence),
            SpreadMeasure::Severity => severity(influence, margin),
        }
    }
}

/// Refuses a step outside `(0, 0.5]`.
pub(super) fn check_step(name: &str, step: f64) -> Result<(), DistillError> {
    match step > 0.0 && step <= 0.5 {
        true => Ok(()),
        false => Err(DistillError::Setting {
            objective: name.to_string(),
            key: "step",
            found: step.to_string(),
            right: "above 0 and at most 0.5",
        }),
    }
}
