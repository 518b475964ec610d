//! Differences of brittleness over several trainings.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What student, baseline and teacher differ by over trainings from several seeds. A difference is absent when fewer than
/// two trainings allow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcrossSeeds {
    /// Trainings audited, the first among them.
    pub seeds: usize,
    /// The component of each student that costs most when it is ablated, in the order of the seeds.
    #[serde(default)]
    pub worst_components: Vec<String>,
    /// Severity of the student minus the teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_student_minus_teacher: Option<SeedDifference>,
    /// Severity of the student minus that of the baseline of the same seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_student_minus_baseline: Option<SeedDifference>,
    /// Mean damage of the student minus the teacher's, in percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_student_minus_teacher: Option<SeedDifference>,
    /// Mean damage of the student minus that of the baseline of the same seed, in percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_student_minus_baseline: Option<SeedDifference>,
}

/// A difference between two networks over several trainings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedDifference {
    /// Mean over the seeds; its 95% interval holds what varies between seeds and between prompts, crossed.
    pub difference: Estimate,
    /// The difference of each seed, in their order.
    #[serde(with = "number::list")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub by_seed: Vec<f64>,
    /// Seeds left out because one of the two networks does not solve the task: shares of its score mean nothing.
    pub left_out: usize,
}
