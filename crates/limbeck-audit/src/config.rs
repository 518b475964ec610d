//! What the `[audit]` table of a recipe says.

use std::path::PathBuf;

use limbeck_data::table::TableFormat;
use limbeck_eval::contrast::{ContrastOptions, TaskChoice};
use limbeck_eval::numerals::Distractors;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Ablation, AuditError, BrittlenessConfig, CircuitConfig, HeadsConfig, PatchingConfig, RolesConfig,
    SimilarityConfig,
};

/// Most prompts, resamples and rows of a batch.
const MOST: usize = 1_000_000;

/// What a removed component leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AblationChoice {
    /// Its mean over the corrupted prompts of the group, per position (Haskins & Adams 2025).
    #[default]
    Mean,
    /// Zero.
    Zero,
    /// What it says on the prompt's corrupted partner.
    Partner,
    /// What it says on another corrupted prompt of the group, drawn at random.
    Resample,
    /// What it computed, with noise of size `noise` on top.
    Noise,
}

impl AblationChoice {
    /// Its name in recipes and results.
    pub fn name(self) -> &'static str {
        match self {
            AblationChoice::Mean => "mean",
            AblationChoice::Zero => "zero",
            AblationChoice::Partner => "partner",
            AblationChoice::Resample => "resample",
            AblationChoice::Noise => "noise",
        }
    }
}

/// How to audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The task; a recipe has to name it, unless it trains on number sequences.
    pub task: TaskChoice,
    /// Prompts per template of the task; of a file of prompts, at most so many of each length.
    pub prompts_per_template: usize,
    /// Sentences between those of a number sequence.
    pub distractors: Distractors,
    /// Names in the prompts instead of the built-in list, in tasks that have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// Seed of prompts and resamples.
    pub seed: u64,
    /// Bootstrap resamples of influence and brittleness.
    pub resamples: usize,
    /// Bootstrap resamples of the alignment, which costs more: matches are sought anew in each.
    pub alignment_resamples: usize,
    /// Prompts per forward pass. Changes no result beyond rounding.
    pub batch_size: usize,
    /// What removed components leave behind where influence and brittleness are measured. Alignment has its own: zero,
    /// as its definition says.
    pub ablation: AblationChoice,
    /// Size of the noise of `ablation = "noise"`, in standard deviations of each component's values.
    pub noise: f64,
    /// Also remove query heads that share keys and values together.
    pub groups: bool,
    /// Curves of brittleness.
    pub brittleness: BrittlenessConfig,
    /// Activation patching.
    pub patching: PatchingConfig,
    /// Similarity of components.
    pub similarity: SimilarityConfig,
    /// Roles of the teacher's components.
    pub roles: RolesConfig,
    /// Descriptions of heads.
    pub heads: HeadsConfig,
    /// Circuits.
    pub circuit: CircuitConfig,
    /// File for the prompts of every task: text, tokens and answers, one row a prompt, as `.jsonl` or `.parquet`. In a run,
    /// a relative path is below the run folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_prompts: Option<PathBuf>,
    /// File for the logit difference on every prompt, untouched and with each component ablated, as `.jsonl` or `.parquet`;
    /// placed as `save_prompts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_scores: Option<PathBuf>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        AuditConfig {
            task: TaskChoice::default(),
            prompts_per_template: 100,
            distractors: Distractors::None,
            names: None,
            seed: 42,
            resamples: 10_000,
            alignment_resamples: 1_000,
            batch_size: 64,
            ablation: AblationChoice::default(),
            noise: 1.0,
            groups: true,
            brittleness: BrittlenessConfig::default(),
            patching: PatchingConfig::default(),
            similarity: SimilarityConfig::default(),
            roles: RolesConfig::default(),
            heads: HeadsConfig::default(),
            circuit: CircuitConfig::default(),
            save_prompts: None,
            save_scores: None,
        }
    }
}

impl AuditConfig {
    /// Refuses values that make no audit.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key, [`AuditError::Task`] for a task that cannot be made whatever the tokenizer.
    pub fn check(&self) -> Result<(), AuditError> {
        let numbers = [
            ("prompts_per_template", self.prompts_per_template),
            ("resamples", self.resamples),
            ("alignment_resamples", self.alignment_resamples),
            ("batch_size", self.batch_size),
        ];
        if !(self.noise > 0.0 && self.noise.is_finite()) {
            let found = self.noise.to_string();
            return Err(AuditError::Config { key: "noise", found, expected: "it must be positive" });
        }
        for (key, file) in [("save_prompts", &self.save_prompts), ("save_scores", &self.save_scores)] {
            if let Some(file) = file.as_ref().filter(|file| TableFormat::of(file).is_err()) {
                let found = file.display().to_string();
                return Err(AuditError::Config { key, found, expected: "it must end in .jsonl or .parquet" });
            }
        }
        self.patching.check()?;
        match numbers.into_iter().find(|(_, value)| !(1..=MOST).contains(value)) {
            Some((key, value)) => {
                let expected = "it must be at least 1 and at most 1000000";
                Err(AuditError::Config { key, found: value.to_string(), expected })
            }
            None => {
                self.task.check(&self.prompts())?;
                self.brittleness.check()?;
                self.similarity.check()?;
                self.roles.check()?;
                self.heads.check()?;
                self.circuit.check()
            }
        }
    }

    /// What a removed component leaves behind.
    pub fn ablation(&self) -> Ablation {
        match self.ablation {
            AblationChoice::Mean => Ablation::Mean,
            AblationChoice::Zero => Ablation::Zero,
            AblationChoice::Partner => Ablation::Partner,
            AblationChoice::Resample => Ablation::Resample { seed: self.seed },
            AblationChoice::Noise => Ablation::Noise { size: self.noise, seed: self.seed },
        }
    }

    /// The prompts this asks for.
    pub fn prompts(&self) -> ContrastOptions {
        ContrastOptions {
            seed: self.seed,
            per_template: self.prompts_per_template,
            distractors: self.distractors,
            names: self.names.clone(),
        }
    }
}
