//! How hard networks lean on single components.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Brittleness of each network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrittlenessOf {
    /// The teacher's.
    pub teacher: Brittleness,
    /// The student's.
    pub student: Brittleness,
    /// The baseline's; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Brittleness>,
    /// Severity of the student minus the teacher's, paired: both are measured on the same resampled prompts.
    pub severity_student_minus_teacher: Estimate,
    /// Severity of the student minus the baseline's, paired; absent when there is no baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_student_minus_baseline: Option<Estimate>,
}

/// How hard a network leans on single components (Haskins & Adams 2025).
///
/// The damage of a component is `m = 100 - clamp(score, 0, 100)`, in percentage points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brittleness {
    /// Mean damage over all components, in percentage points.
    pub mean: Estimate,
    /// Largest damage of one component, in percentage points.
    pub worst: Estimate,
    /// Mean of `max(0, m - 20) / 80`, in `[0, 1]`.
    pub severity: Estimate,
    /// Gini coefficient of the damages, in `[0, 1]`.
    pub gini: Estimate,
    /// Mean damage of the worst 5% of components (at least one), in percentage points.
    pub worst_5_percent: Estimate,
    /// Components whose damage exceeds 20 percentage points.
    pub over_20: usize,
    /// Damages sorted from worst to least: the brittleness curve.
    #[serde(with = "number::list")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub curve: Vec<f64>,
}
