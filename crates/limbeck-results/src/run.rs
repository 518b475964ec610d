//! The run as a whole: models, training, inputs, verdict.

use std::collections::BTreeMap;

use limbeck_stats::number;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Audit, AuditAnswers, Evaluation};

/// Version of this layout; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a run found: the content of `results.json` and the input of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`SCHEMA_VERSION`] when written.
    pub schema_version: u32,
    /// Name of the run, from the recipe.
    pub name: String,
    /// Version of Limbeck that wrote it.
    pub limbeck_version: String,
    /// Seed of the run.
    pub seed: u64,
    /// The answer in front.
    pub verdict: Verdict,
    /// The networks.
    pub models: Models,
    /// What the run read, with content hashes.
    pub inputs: Vec<Input>,
    /// Loss curves.
    pub training: Training,
    /// Scores on held-out data.
    pub evaluation: Evaluation,
    /// What is inside; absent when the recipe asks for no audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Wall-clock seconds by stage.
    pub seconds: BTreeMap<String, f64>,
    /// The resolved recipe, as TOML.
    pub recipe: String,
    /// Things a reader must know: what was skipped, what was approximated.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The recipe and the weights that all this is of; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<MadeFrom>,
}

/// What results were made from: enough to tell whether a run folder still holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MadeFrom {
    /// BLAKE3 of the resolved recipe, hex.
    pub recipe: String,
    /// Fingerprint of every stage: the hash of all that it depended on.
    pub stages: BTreeMap<String, String>,
    /// BLAKE3 of the weights measured, by their path in the run folder.
    pub weights: BTreeMap<String, String>,
}

/// The first screen of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Did distillation help?
    pub answer: VerdictAnswer,
    /// What puts everything below in doubt, said first: a teacher that fails at the task, a baseline that beats the student, a
    /// student no better than always giving the most frequent answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// One sentence with figures: did distillation help this student.
    pub headline: String,
    /// One sentence with figures: where it is fragile.
    pub fragile: String,
    /// Further facts, one sentence each.
    pub facts: Vec<String>,
    /// What the audit amounts to; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<AuditAnswers>,
}

/// Did distillation help this student?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictAnswer {
    /// Better than the baseline on the deciding measures, beyond the interval.
    Helped,
    /// Worse than the baseline beyond the interval.
    Hurt,
    /// Better by some measures, worse by others.
    Mixed,
    /// No difference of a size that matters, by two one-sided tests.
    Equal,
    /// Neither a difference that matters nor its absence can be shown.
    CannotTell,
    /// There is no baseline to compare with.
    NoBaseline,
}

/// The networks of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Models {
    /// The teacher.
    pub teacher: ModelFacts,
    /// The student.
    pub student: ModelFacts,
    /// What became of the baseline.
    pub baseline: BaselineOutcome,
}

/// Size and origin of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelFacts {
    /// Where it came from, or how it was made.
    pub origin: String,
    /// Architecture family, such as `gpt2` or `llama`.
    pub family: String,
    /// Parameters, tied weights counted once.
    pub parameters: u64,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Vocabulary size.
    pub vocab_size: usize,
}

/// Whether a baseline was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BaselineOutcome {
    /// Trained on the same data for the same steps, without the teacher.
    Trained,
    /// Not trained, and why.
    Skipped {
        /// The reason the recipe gives.
        reason: String,
    },
}

/// A file or package the run read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// What it was used for: `teacher`, `data`, ...
    pub role: String,
    /// The locator as the recipe names it.
    pub locator: String,
    /// BLAKE3 of its content, hex.
    pub hash: String,
}

/// Loss curves of the trained networks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Training {
    /// One entry per network trained, in order: `teacher` (when trained here), `student`, `baseline`.
    pub runs: Vec<TrainingRun>,
}

/// The training of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrainingRun {
    /// `teacher`, `student` or `baseline`.
    pub network: String,
    /// Optimizer steps taken.
    pub steps: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Points of the curve.
    pub curve: Vec<CurvePoint>,
}

/// Losses logged at one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Optimizer step, from 1.
    pub step: u64,
    /// Weighted sum of the terms.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub loss: f64,
    /// Each objective's own value.
    pub terms: Vec<TermPoint>,
}

/// One objective's value at one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TermPoint {
    /// Name of the objective.
    pub name: String,
    /// Its weight in the sum.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub weight: f64,
    /// Its value, unweighted.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Norm of its unweighted gradient over all parameters; absent at steps where it is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
}
