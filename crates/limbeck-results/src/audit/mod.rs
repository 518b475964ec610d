//! What was measured inside the networks.

mod alignment;
mod answers;
mod attention;
mod attribution;
mod brittleness;
mod circuit;
mod disturbance;
mod floors;
mod heads;
mod roles;
mod seeds;
mod shifted;
mod similarity;
mod solves;
mod spare;
mod spread;

pub use alignment::{Alignment, Match};
pub use answers::AuditAnswers;
pub use attention::{AttentionPicture, HeadPicture};
pub use attribution::{
    Attribution, DirectAttribution, DirectEffect, LensPoint, PatchedComponent, PatchedResidual, Patching,
};
pub use brittleness::{Brittleness, BrittlenessOf, Slope};
pub use circuit::{
    Circuit, CircuitAtThreshold, CircuitComparison, CircuitEdge, CircuitEdges, CircuitMember, CircuitMethod,
    CircuitNode, CircuitScores, HeadInput, RandomCircuits,
};
pub use disturbance::{DamageCurve, DamageCurves, DamagePoint, KeptDifference};
pub use floors::{AlignmentFloors, FloorKind, NetworkFloor};
pub use heads::{HeadDescription, HeadPattern, Heads, PatternScore};
pub use roles::{Counterpart, Flow, Role, RoleCount, RoleRule, Roles, Standing, StudentRole, TeacherRole};
pub use seeds::{AcrossSeeds, SeedDifference};
pub use shifted::{ShiftedBrittleness, ShiftedFigures};
pub use similarity::{
    AlignmentVariant, Link, MeasuredSimilarity, PermutationTest, Similarity, SimilarityMeasure,
    VariantAlignment,
};
pub use solves::{Solves, solves};
pub use spare::{Repair, SpareCapacity};
pub use spread::Spread;

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
    /// What removed components left behind where influence and brittleness were measured: `mean` (their mean over
    /// corrupted prompts, per position), `zero`, `partner`, `resample` or `noise`.
    #[serde(default = "mean")]
    pub ablation: String,
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
    /// What networks that know nothing of the teacher score in alignment; absent when they were not measured, and then
    /// `A` cannot be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment_floors: Option<AlignmentFloors>,
    /// Similarity of the student's components with the teacher's by every measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<Similarity>,
    /// The same between baseline and teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_similarity: Option<Similarity>,
    /// What became of each of the teacher's components in the student.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
    /// The same in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_roles: Option<Roles>,
    /// How much each network leans on single components.
    pub brittleness: BrittlenessOf,
    /// The student's circuit beside the teacher's; absent when no circuits were sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_circuit: Option<CircuitComparison>,
    /// The baseline's circuit beside the teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_circuit: Option<CircuitComparison>,
}

/// The ablation of results that do not name theirs.
fn mean() -> String {
    "mean".to_owned()
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
    /// Accuracy that reading no prompt reaches, in `[0, 1]`: that of the best constant answer, or, where one answer is
    /// right on every prompt, of guessing among the right and wrong ones.
    #[serde(default, with = "number")]
    #[schemars(with = "Option<f64>")]
    pub chance: f64,
    /// Mean logit difference between right and wrong answer, whole network, in logits.
    pub logit_difference: Estimate,
    /// How the logit difference spreads over prompts; absent for a single prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_difference_spread: Option<Spread>,
    /// Share of prompts whose logit difference is positive, in `[0, 1]`.
    pub preference: Estimate,
    /// Every head and MLP, by layer, heads before the MLP.
    pub components: Vec<Component>,
    /// What each head does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_descriptions: Option<Heads>,
    /// Query heads that share keys and values, removed together, by layer; empty where none share or when not asked
    /// for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupEffect>,
    /// Where the logit difference comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
    /// The components that carry the task by themselves; absent when they were not sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Circuit>,
    /// Where the heads with the largest drops look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionPicture>,
}

impl NetworkAudit {
    /// Whether the network solves the task: else shares of its score mean nothing.
    pub fn solves(&self) -> Solves {
        solves(&self.accuracy, self.chance, &self.logit_difference)
    }
}

/// The effect of removing all query heads of one group, those that share a key and value head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupEffect {
    /// Block it is in, from 0.
    pub layer: usize,
    /// Key and value head, from 0.
    pub group: usize,
    /// The query heads that share it.
    pub heads: Vec<usize>,
    /// `100 * LD_ablated / LD_full`, in percent.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub score: f64,
    /// `100 - score`, in percentage points, with its bootstrap interval over prompts.
    pub drop: Estimate,
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

/// The effect of removing one component, by the audit's ablation.
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
