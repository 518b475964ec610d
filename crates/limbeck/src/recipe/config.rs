//! The recipe's types: what a run is asked to do. The schema is generated from them.

use std::path::PathBuf;

use limbeck_audit::AuditConfig;
use limbeck_distill::{ObjectiveConfig, StudentConfig, TrainingConfig};
use limbeck_eval::SmallestEffect;
use limbeck_teach::CaptureConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::DataConfig;
use super::gate::Gate;
use super::teacher::TeacherConfig;

/// A recipe: teacher, student, data, objectives, and what to measure afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name of the run; the title of its report.
    pub name: String,
    /// What the run is for, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// Trainings of student and baseline, from `seed` upwards by one each; the data and the teacher stay the same. With more than
    /// one, comparisons hold over seeds and examples; `student/` and `baseline/` are those of the first.
    #[serde(default = "one")]
    pub seeds: usize,
    /// The run folder; `runs/NAME` unless said.
    #[serde(default)]
    pub output_dir: PathBuf,
    /// What the run must reach; missing it ends with exit code 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What is inside the networks is measured where a task is named, such as `audit.task = "induction"`; there is no
    /// audit without this section.
    #[serde(default)]
    pub audit: AuditSection,
    /// Who teaches.
    pub teacher: TeacherConfig,
    /// Who learns.
    pub student: StudentConfig,
    /// What they are trained and compared on.
    pub data: DataConfig,
    /// The weighted sum the student minimises.
    pub objectives: Vec<ObjectiveConfig>,
    /// Optimizer, steps and batches, for student and baseline alike.
    #[serde(default)]
    pub training: TrainingConfig,
    /// The same student trained without the teacher.
    #[serde(default)]
    pub baseline: BaselineConfig,
    /// When given, the teacher's signals are written to disk first and the student learns from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureConfig>,
    /// How the networks are scored.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// What is written for others to use.
    #[serde(default)]
    pub export: ExportConfig,
}

fn one() -> usize {
    1
}

/// Whether a baseline is trained: `train = true`, or `skip = "the reason"`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineConfig {
    /// Train the same student on the same data for the same steps without the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<bool>,
    /// Training examples, the first so many, whose labels count as known: the baseline learns from these only, while the student
    /// learns from the teacher's answers to all examples and from no label (its objectives must not ask for any). All when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<usize>,
    /// Why no baseline is trained; printed in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
}

/// How the networks are scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Sequences scored at once.
    pub batch_size: usize,
    /// Bootstrap resamples of every interval.
    pub resamples: usize,
    /// Held-out examples scored at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_examples: Option<usize>,
    /// Differences between student and baseline below which they count as equal.
    #[serde(default)]
    pub smallest_effect: SmallestEffect,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            batch_size: 8,
            resamples: 10_000,
            max_examples: None,
            smallest_effect: SmallestEffect::default(),
        }
    }
}

/// The audit's settings, its task among them; `false`, or nothing, for no audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AuditSection {
    /// `false`: no audit; `true`: one on the number sequences that the recipe trains on.
    Switch(bool),
    /// An audit with these settings.
    Settings(Box<AuditConfig>),
}

impl Default for AuditSection {
    fn default() -> Self {
        Self::Switch(false)
    }
}

impl AuditSection {
    /// The settings, when there is to be an audit.
    pub fn settings(&self) -> Option<AuditConfig> {
        match self {
            Self::Switch(false) => None,
            Self::Switch(true) => Some(AuditConfig::default()),
            Self::Settings(settings) => Some(AuditConfig::clone(settings)),
        }
    }
}

/// What is written for others to use. `student/` is always a Hugging Face folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportConfig {
    /// Write the evaluation's figures into the model card of `student/`.
    pub hf: bool,
    /// GGUF files of the student to write, one per number format.
    #[serde(default)]
    pub gguf: Vec<GgufFormat>,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self { hf: true, gguf: Vec::new() }
    }
}

/// A number format of GGUF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GgufFormat {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit blocks of 32 with a 16-bit scale.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl GgufFormat {
    /// The format's name, as in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }
}

/// What `limbeck capture` captures where the recipe has no `[capture]`: the default number of tokens, at the
/// temperatures of the objectives.
pub fn default_capture(recipe: &Recipe) -> CaptureConfig {
    let mut temperatures: Vec<f64> =
        recipe.objectives.iter().filter_map(|objective| objective.needs().distribution).collect();
    temperatures.sort_by(f64::total_cmp);
    temperatures.dedup();
    CaptureConfig { temperatures, ..CaptureConfig::default() }
}
