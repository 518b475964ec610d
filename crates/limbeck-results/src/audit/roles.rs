//! What became of each of the teacher's components, and which of the student's carry too much.

use limbeck_stats::number;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ComponentKind, SimilarityMeasure};

/// Roles of the teacher's components, and load of the student's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Roles {
    /// The rule and its thresholds.
    pub rule: RoleRule,
    /// How many components have each role, and how much of the teacher's influence they hold.
    pub counts: Vec<RoleCount>,
    /// Every teacher component, by layer, heads before the MLP.
    pub teacher: Vec<TeacherRole>,
    /// Every student component, by layer, heads before the MLP.
    pub student: Vec<StudentRole>,
    /// From teacher to student components: what flows where. Components that are idle on both sides have none.
    pub flow: Vec<Flow>,
}

/// Thresholds of the rule that gives out roles.
///
/// A component is in use when its `|drop|` is at least `in_use`. Two components are counterparts when both are in use, their
/// similarity above chance is at least `similar`, and it comes within `margin` of the best that each of the two has with
/// any component in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleRule {
    /// Measure of similarity.
    pub measure: SimilarityMeasure,
    /// Least `(S - chance) / (1 - chance)` of counterparts; chance is the mean over all pairs of the kind.
    pub similar: f64,
    /// How far below the best similarity (above chance) of each of the two a counterpart's may be.
    pub margin: f64,
    /// Least `|drop|` of a component in use, in percentage points of the logit difference.
    pub in_use: f64,
    /// A student component is over-relied on when its drop exceeds this many times what its sources carry together.
    pub overload: f64,
    /// Least drop of an over-relied component, in percentage points.
    pub heavy: f64,
    /// Mean similarity over all pairs of heads.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub head_chance: f64,
    /// Mean similarity over all pairs of MLPs.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub mlp_chance: f64,
    /// Bootstrap resamples of prompts behind every `stability`.
    pub resamples: usize,
}

/// What became of a teacher component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It has as many counterparts as there are teacher components that share one with it, itself among these: one of its
    /// own, as a rule.
    Preserved,
    /// It shares fewer counterparts with more teacher components: many into one.
    Merged,
    /// It has more counterparts: one into many.
    Split,
    /// It is in use, but has no counterpart.
    Discarded,
    /// The teacher does not use it for this task.
    Idle,
}

impl Role {
    /// All roles, in the order of tables.
    pub const ALL: [Role; 5] = [Role::Preserved, Role::Merged, Role::Split, Role::Discarded, Role::Idle];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Role::Preserved => "preserved",
            Role::Merged => "merged",
            Role::Split => "split",
            Role::Discarded => "discarded",
            Role::Idle => "not used for this task",
        }
    }
}

/// How often a role was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleCount {
    /// The role.
    pub role: Role,
    /// Heads.
    pub heads: usize,
    /// MLPs.
    pub mlps: usize,
    /// Their share of the sum of `|drop|` over the teacher's components, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub influence: f64,
}

/// A component of the other network, and how alike it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterpart {
    /// Its label.
    pub component: String,
    /// Similarity by the rule's measure.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub similarity: f64,
    /// `(S - chance) / (1 - chance)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub above_chance: f64,
    /// Its own drop, in percentage points.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub drop: f64,
}

/// The role of one teacher component, with the numbers that the rule compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeacherRole {
    /// Its label.
    pub component: String,
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in.
    pub layer: usize,
    /// Its role.
    pub role: Role,
    /// Share of resamples of prompts in which it has the same role, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub stability: f64,
    /// Its drop by mean ablation, in percentage points.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub drop: f64,
    /// Its counterparts, most similar first. Empty for a component that is discarded or idle.
    pub counterparts: Vec<Counterpart>,
    /// Labels of the teacher components with which it shares a counterpart.
    pub shares_with: Vec<String>,
    /// The most similar student component, in use or not: how near the rule was to another outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Counterpart>,
}

/// What one student component carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StudentRole {
    /// Its label.
    pub component: String,
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in.
    pub layer: usize,
    /// Its standing.
    pub standing: Standing,
    /// Share of resamples of prompts in which its standing is the same, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub stability: f64,
    /// Its drop by mean ablation, in percentage points.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub drop: f64,
    /// Drop that its sources have in the teacher, each divided among its counterparts by their own drops, in
    /// percentage points.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub inherited_drop: f64,
    /// Teacher components whose counterpart it is, most similar first.
    pub sources: Vec<Counterpart>,
}

/// How a student component stands to what it inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In use, and carries about what its sources carried.
    Inherits,
    /// In use without a source in the teacher.
    New,
    /// Carries far more than its sources did.
    OverRelied,
    /// Not used for this task.
    Idle,
}

impl Standing {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Inherits => "inherits",
            Standing::New => "new",
            Standing::OverRelied => "over-relied on",
            Standing::Idle => "not used for this task",
        }
    }
}

/// One band of the flow from teacher to student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Label of the teacher component; absent for a student component in use without a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Label of the student component; absent for a teacher component that was discarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// Width at the teacher's end: `|drop|` of the teacher component that goes this way, in percentage points.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub teacher_drop: f64,
    /// Width at the student's end: `|drop|` of the student component that comes this way.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub student_drop: f64,
    /// Similarity of the two; absent where one end is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// Role of the teacher component; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}
