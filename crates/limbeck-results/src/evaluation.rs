//! Scores of teacher, student and baseline on the same held-out examples.

use limbeck_stats::{Estimate, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the three networks do on held-out examples, and how student and baseline compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// Held-out examples scored: the unit of every bootstrap resample.
    pub examples: usize,
    /// Positions scored within those examples.
    pub scored_tokens: usize,
    /// Scores of the teacher.
    pub teacher: TeacherScores,
    /// Scores of the distilled student.
    pub student: StudentScores,
    /// Scores of the same student trained without the teacher; absent when the recipe skipped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<StudentScores>,
    /// Paired comparisons of student and baseline, one per measure.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// The same scores on data shifted away from the training distribution.
    #[serde(default)]
    pub shifts: Vec<Condition>,
}

/// Scores of one shifted condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Short name, such as `unseen_names`.
    pub name: String,
    /// One sentence saying what differs from the training data.
    pub description: String,
    /// Scores on the condition's examples (its own `shifts` is empty).
    pub scores: Evaluation,
}

/// Scores of a network against the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeacherScores {
    /// Share of scored tokens whose top-ranked prediction is the data's token, in `[0, 1]`.
    pub accuracy: Estimate,
    /// Mean cross-entropy per scored token, in nats.
    pub loss: Estimate,
    /// `exp(loss)`.
    pub perplexity: Estimate,
    /// Expected calibration error of the top-ranked prediction, 15 equal-width bins, in `[0, 1]`.
    pub ece: Estimate,
}

/// Scores of a student: those of any network, and those against its teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StudentScores {
    /// Share of scored tokens whose top-ranked prediction is the data's token, in `[0, 1]`.
    pub accuracy: Estimate,
    /// Mean cross-entropy per scored token, in nats.
    pub loss: Estimate,
    /// `exp(loss)`.
    pub perplexity: Estimate,
    /// Expected calibration error of the top-ranked prediction, 15 equal-width bins, in `[0, 1]`.
    pub ece: Estimate,
    /// Share of scored tokens on which student and teacher rank the same token first, in `[0, 1]`.
    pub agreement: Estimate,
    /// Mean `KL(teacher || student)` per scored token at T = 1, in nats.
    pub kl: Estimate,
}

/// Student against baseline on the same examples, by one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name of the measure: `accuracy`, `loss`, `agreement`, `kl` or `ece`.
    pub measure: String,
    /// Student minus baseline, with the interval of a bootstrap paired over examples.
    pub difference: Estimate,
    /// Which is better, or that the data cannot tell.
    pub finding: Finding,
    /// The finding in one sentence, with its figures.
    pub sentence: String,
}
