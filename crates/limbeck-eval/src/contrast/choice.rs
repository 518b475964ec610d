//! Which task, and which of its prompts.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::greater_than::{self, YearOptions};
use super::induction::{self, InductionOptions};
use super::ioi::{self, IoiOptions};
use super::questions::{self, QuestionOptions};
use super::{ContrastTask, own};
use crate::numerals::{self, Distractors, Notation, NumeralsOptions};
use crate::{Encode, EvalError};

/// The task whose components are sought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TaskChoice {
    /// A task built in, by its name.
    Known(KnownTask),
    /// A task of the user's own.
    Own(OwnTask),
}

/// Where a task of the user's own comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OwnTask {
    /// JSON lines with `clean`, `corrupted`, `right` and `wrong`; answers are put behind the prompt as written.
    Jsonl {
        /// The file.
        path: PathBuf,
    },
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
    /// Years: "The war lasted from the year 1732 to the year 17".
    GreaterThan,
    /// Random words, said again: "time hand year city time hand".
    Induction,
    /// Simple questions: "The capital of France is".
    SimpleQa,
}

impl KnownTask {
    /// All of them.
    pub const ALL: [KnownTask; 6] = [
        KnownTask::Numerals,
        KnownTask::NumberWords,
        KnownTask::Ioi,
        KnownTask::GreaterThan,
        KnownTask::Induction,
        KnownTask::SimpleQa,
    ];

    /// Its name in recipes and results.
    pub fn name(self) -> &'static str {
        match self {
            KnownTask::Numerals => "numerals",
            KnownTask::NumberWords => "number_words",
            KnownTask::Ioi => "ioi",
            KnownTask::GreaterThan => "greater_than",
            KnownTask::Induction => "induction",
            KnownTask::SimpleQa => "simple_qa",
        }
    }

    fn has_names(self) -> bool {
        self.has_distractors() || self == KnownTask::Ioi
    }

    fn has_distractors(self) -> bool {
        matches!(self, KnownTask::Numerals | KnownTask::NumberWords)
    }
}

impl Default for TaskChoice {
    fn default() -> Self {
        TaskChoice::Known(KnownTask::default())
    }
}

impl TaskChoice {
    /// The file it is read from, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            TaskChoice::Known(_) => None,
            TaskChoice::Own(OwnTask::Jsonl { path }) => Some(path),
        }
    }

    /// Refuses what can be refused before there is a tokenizer: options that the task does not have, and a file of
    /// prompts with something wrong in it.
    ///
    /// # Errors
    /// [`EvalError::Option`] naming the option, [`EvalError::Data`] naming file, line and key.
    pub fn check(&self, options: &ContrastOptions) -> Result<(), EvalError> {
        let refuse = |option, found: String, tasks: &[KnownTask]| {
            let names: Vec<&str> = tasks.iter().map(|task| task.name()).collect();
            let expected = format!("only these tasks have them: {}", names.join(", "));
            Err(EvalError::Option { option, found, expected })
        };
        let having = |has: fn(KnownTask) -> bool| -> Vec<KnownTask> {
            KnownTask::ALL.into_iter().filter(|task| has(*task)).collect()
        };
        let has = |has: fn(KnownTask) -> bool| matches!(self, TaskChoice::Known(task) if has(*task));
        if options.distractors != Distractors::None && !has(KnownTask::has_distractors) {
            let found = format!("{:?}", options.distractors).to_lowercase();
            return refuse("distractors", found, &having(KnownTask::has_distractors));
        }
        if let Some(names) = options.names.as_ref().filter(|_| !has(KnownTask::has_names)) {
            return refuse("names", format!("{names:?}"), &having(KnownTask::has_names));
        }
        self.path().map_or(Ok(()), |path| own::read(path).map(|_| ()))
    }
}

impl FromStr for TaskChoice {
    type Err = EvalError;

    /// A task by its name (`-` may stand for `_`), or the path of a file of prompts (`.jsonl`).
    fn from_str(text: &str) -> Result<TaskChoice, EvalError> {
        let name = text.replace('-', "_");
        if let Some(task) = KnownTask::ALL.into_iter().find(|task| task.name() == name) {
            return Ok(TaskChoice::Known(task));
        }
        if Path::new(text).extension().is_some_and(|extension| extension == "jsonl") {
            return Ok(TaskChoice::Own(OwnTask::Jsonl { path: PathBuf::from(text) }));
        }
        let names = KnownTask::ALL.map(KnownTask::name).join(", ");
        Err(EvalError::Option {
            option: "task",
            found: text.to_owned(),
            expected: format!("it is one of {names}, or a file of prompts (.jsonl)"),
        })
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
    pub(super) fn ioi(&self) -> IoiOptions<'_> {
        IoiOptions::usual(self.seed, self.per_template, self.names.as_deref())
    }

    /// The same for years.
    pub(super) fn years(&self) -> YearOptions {
        YearOptions::usual(self.seed, self.per_template)
    }

    /// The same for random words.
    pub(super) fn induction(&self) -> InductionOptions {
        InductionOptions::usual(self.seed, self.per_template)
    }

    /// The same for questions.
    pub(super) fn questions(&self) -> QuestionOptions {
        QuestionOptions::usual(self.seed, self.per_template)
    }
}

/// Makes the prompts of the chosen task.
///
/// # Errors
/// As [`TaskChoice::check`]; [`EvalError::Option`] for options that make no prompt;
/// [`EvalError::Inexpressible`] when the tokenizer can express none of them, and [`EvalError::Data`] when it cannot
/// write a line of a file.
pub fn generate(
    choice: &TaskChoice,
    tokenizer: &dyn Encode,
    options: &ContrastOptions,
) -> Result<ContrastTask, EvalError> {
    choice.check(options)?;
    match choice {
        TaskChoice::Known(KnownTask::Numerals) => {
            numerals::generate(tokenizer, &options.numerals(Notation::Digits))
        }
        TaskChoice::Known(KnownTask::NumberWords) => {
            numerals::generate(tokenizer, &options.numerals(Notation::Words))
        }
        TaskChoice::Known(KnownTask::Ioi) => ioi::generate(tokenizer, &options.ioi()),
        TaskChoice::Known(KnownTask::GreaterThan) => greater_than::generate(tokenizer, &options.years()),
        TaskChoice::Known(KnownTask::Induction) => induction::generate(tokenizer, &options.induction()),
        TaskChoice::Known(KnownTask::SimpleQa) => questions::generate(tokenizer, options.questions()),
        TaskChoice::Own(OwnTask::Jsonl { path }) => {
            own::read(path)?.task(tokenizer, None, options.per_template)
        }
    }
}
