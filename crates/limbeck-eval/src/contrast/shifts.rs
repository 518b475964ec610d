//! Prompts of a task with something changed that the task does not depend on: other names, other sentences, and
//! the like. A network that has the task keeps it there; one that leans on the usual prompts does not.

use super::choice::{ContrastOptions, KnownTask, TaskChoice};
use super::people::OTHER_PEOPLE;
use super::{ContrastTask, ioi};
use crate::numerals::{self, ANIMALS, Distractors, Notation, NumeralsOptions, Template};
use crate::{Encode, EvalError};

/// A task with one thing changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ShiftedTask {
    /// Short name of the change, such as `other_names`.
    pub name: String,
    /// The change in a sentence.
    pub description: String,
    /// The prompts.
    pub task: ContrastTask,
}

/// All shifted versions of a task for one tokenizer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shifts {
    /// Those that the tokenizer can express.
    pub tasks: Vec<ShiftedTask>,
    /// Names of the others, each with the reason.
    pub left_out: Vec<(String, String)>,
}

impl Shifts {
    /// Adds a shift, or the reason why this tokenizer has none.
    fn add(
        &mut self,
        name: &str,
        description: &str,
        made: Result<ContrastTask, EvalError>,
    ) -> Result<(), EvalError> {
        match made {
            Ok(task) => {
                let (name, description) = (name.to_owned(), description.to_owned());
                self.tasks.push(ShiftedTask { name, description, task });
            }
            Err(EvalError::Inexpressible { reason, .. }) => self.left_out.push((name.to_owned(), reason)),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Makes the shifted versions of the chosen task, with as many prompts per template as `options` say.
///
/// # Errors
/// As [`super::generate`], but a shift that the tokenizer cannot express is left out with the reason.
pub fn shifts(
    choice: &TaskChoice,
    tokenizer: &dyn Encode,
    options: &ContrastOptions,
) -> Result<Shifts, EvalError> {
    match choice {
        TaskChoice::Known(KnownTask::Numerals) => of_numerals(tokenizer, options, Notation::Digits, 11),
        TaskChoice::Known(KnownTask::NumberWords) => of_numerals(tokenizer, options, Notation::Words, 9),
        TaskChoice::Known(KnownTask::Ioi) => of_ioi(tokenizer, options),
    }
}

fn of_numerals(
    tokenizer: &dyn Encode,
    options: &ContrastOptions,
    notation: Notation,
    higher: u32,
) -> Result<Shifts, EvalError> {
    let usual = options.numerals(notation);
    let names = ANIMALS.iter().map(|&name| name.to_owned()).collect();
    let changes = [
        (
            "other_names",
            "The sentences are about animals.",
            NumeralsOptions { names: Some(names), ..usual.clone() },
        ),
        (
            "other_templates",
            "The verbs are seen, sold, found and made.",
            NumeralsOptions { templates: Template::OTHERS.to_vec(), ..usual.clone() },
        ),
        (
            "higher_starts",
            "The sequences start at eight higher numbers.",
            NumeralsOptions { starts: (higher..higher + 8).collect(), ..usual.clone() },
        ),
        (
            "word_distractors",
            "After every second sentence stands one that has nothing to do with the sequence.",
            NumeralsOptions { distractors: Distractors::Words, ..usual.clone() },
        ),
        (
            "number_distractors",
            "After every second sentence stands one with a number that is not of the sequence.",
            NumeralsOptions { distractors: Distractors::Numbers, ..usual.clone() },
        ),
    ];
    let mut shifts = Shifts::default();
    // A change that the usual prompts have already is none.
    for (name, description, changed) in changes.iter().filter(|(_, _, changed)| *changed != usual) {
        shifts.add(name, description, numerals::generate(tokenizer, changed))?;
    }
    Ok(shifts)
}

fn of_ioi(tokenizer: &dyn Encode, options: &ContrastOptions) -> Result<Shifts, EvalError> {
    let usual = options.ioi();
    let mut shifts = Shifts::default();
    let names = ioi::IoiOptions { names: OTHER_PEOPLE.to_vec(), ..usual.clone() };
    shifts.add("other_names", "The people have other names.", ioi::generate(tokenizer, &names))?;
    let sentences = ioi::IoiOptions { sentences: &ioi::OTHER_SENTENCES, ..usual.clone() };
    shifts.add("other_templates", "Other things happen.", ioi::generate(tokenizer, &sentences))?;
    let before = ioi::IoiOptions { before: Some("It was a quiet day in the old town."), ..usual };
    let description = "A sentence that has nothing to do with it stands before the prompt.";
    shifts.add("sentence_before", description, ioi::generate(tokenizer, &before))?;
    Ok(shifts)
}
