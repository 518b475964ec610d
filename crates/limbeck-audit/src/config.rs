//! What the `[audit]` table of a recipe says.

use limbeck_eval::contrast::{ContrastOptions, TaskChoice};
use limbeck_eval::numerals::Distractors;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AuditError, BrittlenessConfig};

/// How to audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The task.
    pub task: TaskChoice,
    /// Prompts per template; there are three templates.
    pub prompts_per_template: usize,
    /// Sentences between those of the sequence.
    pub distractors: Distractors,
    /// Names in the prompts, instead of the built-in list.
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
    /// Curves of brittleness.
    pub brittleness: BrittlenessConfig,
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
            brittleness: BrittlenessConfig::default(),
        }
    }
}

impl AuditConfig {
    /// Refuses values that make no audit.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let numbers = [
            ("prompts_per_template", self.prompts_per_template),
            ("resamples", self.resamples),
            ("alignment_resamples", self.alignment_resamples),
            ("batch_size", self.batch_size),
        ];
        match numbers.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => {
                Err(AuditError::Config { key, found: "0".into(), expected: "it must be at least 1" })
            }
            None => self.brittleness.check(),
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
