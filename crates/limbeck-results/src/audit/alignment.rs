//! How alike two networks are inside.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ComponentKind, PermutationTest};

/// Alignment of a student with its teacher (Haskins & Adams 2025; variant B where nothing else is said).
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
    /// How the same student scores with its components shuffled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permutation: Option<PermutationTest>,
    /// The matched pairs: in variant B every teacher component and the student component most like it.
    pub matches: Vec<Match>,
}

/// A teacher component and its match in the student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// Label of the teacher component, as [`Component::label`] gives it.
    pub teacher: String,
    /// Label of its match, a student component of the same kind.
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
