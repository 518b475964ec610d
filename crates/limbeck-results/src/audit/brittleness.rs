//! How hard networks lean on single components.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AcrossSeeds, DamageCurves, KeptDifference, ShiftedBrittleness, SpareCapacity};

/// Brittleness of each network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrittlenessOf {
    /// Exponent alpha of the severities.
    #[serde(default = "one", with = "number")]
    #[schemars(with = "Option<f64>")]
    pub alpha: f64,
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
    /// Mean damage of the student minus the teacher's, in percentage points, paired in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_student_minus_teacher: Option<Estimate>,
    /// Mean damage of the student minus the baseline's, in percentage points; absent when there is no baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_student_minus_baseline: Option<Estimate>,
    /// The same differences over several trainings; absent when student and baseline were trained once. The intervals
    /// above resample prompts only and are of the first training: they say nothing about another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across_seeds: Option<AcrossSeeds>,
    /// Added damage against the compression it bought; absent when the student is not smaller than the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope: Option<Slope>,
    /// What the student keeps under disturbance, minus what the teacher keeps; absent without curves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_student_minus_teacher: Option<KeptDifference>,
    /// What the student keeps under disturbance, minus what the baseline keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_student_minus_baseline: Option<KeptDifference>,
    /// The same figures on shifted prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<ShiftedBrittleness>,
}

/// `beta = (mean damage of the student - mean damage of the teacher) / C` (Haskins & Adams 2025).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slope {
    /// `C = (P_teacher - P_student) / P_teacher` from parameter counts, in `(0, 1)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub compression: f64,
    /// `beta`, in percentage points per unit of compression, paired over prompts.
    pub beta: Estimate,
}

fn one() -> f64 {
    1.0
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
    /// Mean of `(max(0, m - 20) / 80)^alpha`, in `[0, 1]`.
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
    /// What it still does under noise and with several components removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_disturbance: Option<DamageCurves>,
    /// How much of a removed component's effect others take over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_capacity: Option<SpareCapacity>,
}
