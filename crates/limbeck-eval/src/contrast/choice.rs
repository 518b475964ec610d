//! Which task, and which of its prompts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ContrastTask, ioi};
use crate::numerals::{self, Distractors, Notation, NumeralsOptions};
use crate::{Encode, EvalError};

/// The task whose components are sought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskChoice {
    /// A task built in, by its name.
    Known(KnownTask),
}

/// The tasks built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownTask {
    /// Number sequences: "Van done in 1. Hat done in 2. Ring done in 3. Desk done in 4. Sun done in".
    #[default]
    Numerals,
    /// The same in words: "Van done in one. Hat done in two. Ring done in three. Desk done in four. Sun done in".
    NumberWords,
    /// Indirect objects: "When Mary and John went to the store, John gave a drink to".
    Ioi,
}

impl KnownTask {
    /// All of them.
    pub const ALL: [KnownTask; 3] = [KnownTask::Numerals, KnownTask::NumberWords, KnownTask::Ioi];

    /// Its name in recipes and results.
    pub fn name(self) -> &'static str {
        match self {
            KnownTask::Numerals => "numerals",
            KnownTask::NumberWords => "number_words",
            KnownTask::Ioi => "ioi",
        }
    }
}

impl Default for TaskChoice {
    fn default() -> Self {
        TaskChoice::Known(KnownTask::default())
    }
}

/// What prompts of a task to make.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastOptions {
    /// Seed of everything drawn.
    pub seed: u64,
    /// Prompts per template.
    pub per_template: usize,
    /// Sentences between those of a number sequence.
    pub distractors: Distractors,
    /// Names to use instead of the built-in list, in the tasks that have names.
    pub names: Option<Vec<String>>,
}

impl Default for ContrastOptions {
    /// 100 prompts for each template, nothing between the sentences, built-in names.
    fn default() -> Self {
        ContrastOptions { seed: 0, per_template: 100, distractors: Distractors::None, names: None }
    }
}

impl ContrastOptions {
    /// The same for a number sequence.
    pub(super) fn numerals(&self, notation: Notation) -> NumeralsOptions {
        NumeralsOptions {
            seed: self.seed,
            per_template: self.per_template,
            notation,
            distractors: self.distractors,
            names: self.names.clone(),
            ..NumeralsOptions::default()
        }
    }

    /// The same for indirect objects.
    pub(super) fn ioi(&self) -> ioi::IoiOptions<'_> {
        ioi::IoiOptions::usual(self.seed, self.per_template, self.names.as_deref())
    }
}

/// Makes the prompts of the chosen task.
///
/// # Errors
/// [`EvalError::Option`] for options that make no prompt or that the task does not have;
/// [`EvalError::Inexpressible`] when the tokenizer can express none of them.
pub fn generate(
    choice: &TaskChoice,
    tokenizer: &dyn Encode,
    options: &ContrastOptions,
) -> Result<ContrastTask, EvalError> {
    match choice {
        TaskChoice::Known(KnownTask::Numerals) => {
            numerals::generate(tokenizer, &options.numerals(Notation::Digits))
        }
        TaskChoice::Known(KnownTask::NumberWords) => {
            numerals::generate(tokenizer, &options.numerals(Notation::Words))
        }
        TaskChoice::Known(KnownTask::Ioi) => ioi::generate(tokenizer, &options.ioi()),
    }
}
