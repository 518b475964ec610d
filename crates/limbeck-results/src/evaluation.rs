//! Scores of teacher, student and baseline on the same held-out examples.

use limbeck_stats::{Estimate, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the networks do on held-out examples, and how student and baseline compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// Held-out examples scored: the unit of every bootstrap resample.
    pub examples: usize,
    /// Positions scored within those examples.
    pub scored_tokens: usize,
    /// Trainings of student and baseline, each with another seed.
    #[serde(default = "one")]
    pub seeds: usize,
    /// Accuracy of always answering the most frequent of the scored tokens, in `[0, 1]`; absent in older results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<f64>,
    /// Scores of the teacher.
    pub teacher: TeacherScores,
    /// Scores of the distilled student of the first seed, the one in the run folder's `student/`; intervals over examples.
    pub student: StudentScores,
    /// Scores of the same student trained without the teacher, of the first seed; absent when the recipe skipped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<StudentScores>,
    /// Means over all seeds; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_seeds: Option<OverSeeds>,
    /// Paired comparisons of student and baseline, one per measure, over all seeds.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// The same scores on data shifted away from the training distribution.
    #[serde(default)]
    pub shifts: Vec<Condition>,
}

fn one() -> usize {
    1
}

/// Mean scores over the trainings of several seeds, with intervals over seeds and examples crossed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverSeeds {
    /// Of the students.
    pub student: StudentScores,
    /// Of the baselines; absent when the recipe skipped them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<StudentScores>,
}

impl Evaluation {
    /// The student's scores that a statement about the recipe rests on: over all seeds where there are several.
    pub fn students(&self) -> &StudentScores {
        self.over_seeds.as_ref().map_or(&self.student, |over| &over.student)
    }

    /// The same of the baseline.
    pub fn baselines(&self) -> Option<&StudentScores> {
        self.over_seeds.as_ref().map_or(self.baseline.as_ref(), |over| over.baseline.as_ref())
    }
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
    /// Student minus baseline with its 95% interval, paired over examples, and over seeds where there are several.
    pub difference: Estimate,
    /// The same difference with the interval that the finding rests on: wider where several measures have a chance to
    /// decide (Bonferroni). Absent where `difference` itself decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Estimate>,
    /// Smallest difference that matters, in the measure's unit; absent where none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Which is better, that they are equal within the margin, or that the data cannot tell.
    pub finding: Finding,
    /// Where the variance of the difference comes from; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<VarianceShares>,
    /// When few examples supply most of the difference: how many, and the share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_by: Option<CarriedBy>,
    /// The finding in one sentence, with its figures.
    pub sentence: String,
}

/// Variance of a mean difference by its source, as shares of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VarianceShares {
    /// From one training to another, in `[0, 1]`.
    #[serde(with = "limbeck_stats::number")]
    #[schemars(with = "Option<f64>")]
    pub seeds: f64,
    /// From one example to another, in `[0, 1]`.
    #[serde(with = "limbeck_stats::number")]
    #[schemars(with = "Option<f64>")]
    pub examples: f64,
}

/// The few examples that supply most of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CarriedBy {
    /// How many examples.
    pub examples: usize,
    /// The share of the summed difference that they supply; above 1 when the others point the other way.
    #[serde(with = "limbeck_stats::number")]
    #[schemars(with = "Option<f64>")]
    pub share: f64,
}
