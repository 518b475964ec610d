//! What was measured inside the networks.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The audit of teacher, student and baseline on one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Name of the task, such as `numerals`.
    pub task: String,
    /// Clean prompts measured.
    pub prompts: usize,
    /// Influence of every component of the teacher.
    pub teacher: NetworkAudit,
    /// Influence of every component of the student.
    pub student: NetworkAudit,
    /// Influence of every component of the baseline; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<NetworkAudit>,
    /// How alike student and teacher are inside.
    pub alignment: Alignment,
    /// The same between baseline and teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_alignment: Option<Alignment>,
    /// How much each network leans on single components.
    pub brittleness: BrittlenessOf,
}

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

/// One network on the task: whole, and with each component removed in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkAudit {
    /// Blocks of the decoder.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Share of prompts answered right, in `[0, 1]`.
    pub accuracy: Estimate,
    /// Mean logit difference between right and wrong answer, whole network, in logits.
    pub logit_difference: Estimate,
    /// Share of prompts whose logit difference is positive, in `[0, 1]`.
    pub preference: Estimate,
    /// Every head and MLP, by layer, heads before the MLP.
    pub components: Vec<Component>,
}

/// Whether a component is an attention head or an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// One query head, ablated at `hook_z`.
    Head,
    /// One MLP, ablated at `hook_mlp_out`.
    Mlp,
}

/// The effect of removing one component by mean ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in, from 0.
    pub layer: usize,
    /// Query head, from 0; absent for an MLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// `100 * LD_ablated / LD_full`, in percent.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub score: f64,
    /// `100 - score`, in percentage points, with its bootstrap interval over prompts.
    pub drop: Estimate,
}

impl Component {
    /// The usual short name: `7.11` for a head, `MLP 3` for an MLP.
    pub fn label(&self) -> String {
        component_label(self.layer, self.head)
    }
}

/// The usual short name of a component: `7.11` for a head, `MLP 3` for an MLP.
pub fn component_label(layer: usize, head: Option<usize>) -> String {
    match head {
        Some(head) => format!("{layer}.{head}"),
        None => format!("MLP {layer}"),
    }
}

/// Alignment of a student with its teacher (Haskins & Adams 2025, variant B).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alignment {
    /// `A = mean over pairs of S(s,t) * (1 - |I_s - I_t|)`.
    pub a: Estimate,
    /// Mean similarity over the matched pairs.
    pub similarity: Estimate,
    /// Mean of `1 - |I_s - I_t|` over the matched pairs.
    pub influence: Estimate,
    /// Mean similarity weighted by the teacher component's influence.
    pub influence_weighted_similarity: Estimate,
    /// The bounds `mean(S) - 2/|P| <= A <= mean(S)` of the point estimate.
    #[serde(with = "number::pair")]
    #[schemars(with = "(Option<f64>, Option<f64>)")]
    pub bound: (f64, f64),
    /// Every teacher component and the student component most like it.
    pub matches: Vec<Match>,
}

/// A teacher component and its match in the student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// Label of the teacher component, as [`Component::label`] gives it.
    pub teacher: String,
    /// Label of the most similar student component of the same kind.
    pub student: String,
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Similarity of the pair.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub similarity: f64,
    /// The teacher component's influence, normalised to sum 1 over the pairs.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub teacher_influence: f64,
    /// The student component's influence, normalised to sum 1 over the pairs.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub student_influence: f64,
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
