//! Brittleness on prompts other than those the audit was made on.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AcrossSeeds, Solves, solves};

/// Brittleness of the networks on one shifted set of prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftedBrittleness {
    /// What is shifted, such as `unseen_names`.
    pub name: String,
    /// The same in a sentence.
    pub description: String,
    /// Clean prompts measured.
    pub prompts: usize,
    /// The teacher's figures.
    pub teacher: ShiftedFigures,
    /// The student's figures.
    pub student: ShiftedFigures,
    /// The baseline's figures; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ShiftedFigures>,
    /// Severity of the student minus the teacher's, paired over prompts.
    pub severity_student_minus_teacher: Estimate,
    /// Severity of the student minus the baseline's, paired over prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_student_minus_baseline: Option<Estimate>,
    /// The differences over several trainings; absent when student and baseline were trained once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across_seeds: Option<AcrossSeeds>,
}

/// One network on shifted prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftedFigures {
    /// Share of prompts answered right, in `[0, 1]`.
    pub accuracy: Estimate,
    /// Accuracy that reading no prompt reaches, as [`super::NetworkAudit::chance`].
    #[serde(default, with = "number")]
    #[schemars(with = "Option<f64>")]
    pub chance: f64,
    /// Mean logit difference, in logits.
    pub logit_difference: Estimate,
    /// Mean damage over all components, in percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Estimate>,
    /// Severity, as [`super::Brittleness::severity`].
    pub severity: Estimate,
    /// Largest damage of one component, in percentage points.
    pub worst: Estimate,
    /// Label of that component.
    pub worst_component: String,
}

impl ShiftedFigures {
    /// Whether the network solves the shifted prompts: else shares of its score mean nothing.
    pub fn solves(&self) -> Solves {
        solves(&self.accuracy, self.chance, &self.logit_difference)
    }
}
