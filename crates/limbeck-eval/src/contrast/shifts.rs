//! Prompts of a task with something changed that the task does not depend on: other names, other sentences, and
//! the like. A network that has the task keeps it there; one that leans on the usual prompts does not.

use std::path::Path;

use super::choice::{ContrastOptions, KnownTask, OwnTask, TaskChoice};
use super::greater_than::{self, YearOptions};
use super::induction::{self, InductionOptions};
use super::ioi::{self, IoiOptions};
use super::people::OTHER_PEOPLE;
use super::questions::{self, QuestionOptions, Wording};
use super::{ContrastTask, own};
use crate::numerals::{self, ANIMALS, COLOURS, Distractors, Notation, NumeralsOptions, Template};
use crate::{Encode, EvalError};

/// A sentence that has nothing to do with what follows.
const SENTENCE_BEFORE: &str = "It was a quiet day in the old town.";
const WITH_SENTENCE_BEFORE: &str = "A sentence that has nothing to do with it stands before the prompt.";

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
    choice.check(options)?;
    match choice {
        TaskChoice::Known(KnownTask::Numerals) => of_numerals(tokenizer, options, Notation::Digits, 11),
        TaskChoice::Known(KnownTask::NumberWords) => of_numerals(tokenizer, options, Notation::Words, 9),
        TaskChoice::Known(KnownTask::Ioi) => of_ioi(tokenizer, options),
        TaskChoice::Known(KnownTask::GreaterThan) => of_years(tokenizer, options.years()),
        TaskChoice::Known(KnownTask::Induction) => of_induction(tokenizer, options.induction()),
        TaskChoice::Known(KnownTask::SimpleQa) => of_questions(tokenizer, options.questions()),
        TaskChoice::Own(OwnTask::Jsonl { path }) => of_own(path, tokenizer, options.per_template),
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
    let names = IoiOptions { names: OTHER_PEOPLE.to_vec(), ..usual.clone() };
    shifts.add("other_names", "The people have other names.", ioi::generate(tokenizer, &names))?;
    let sentences = IoiOptions { sentences: &ioi::OTHER_SENTENCES, ..usual.clone() };
    shifts.add("other_templates", "Other things happen.", ioi::generate(tokenizer, &sentences))?;
    let before = IoiOptions { before: Some(SENTENCE_BEFORE), ..usual };
    shifts.add("sentence_before", WITH_SENTENCE_BEFORE, ioi::generate(tokenizer, &before))?;
    Ok(shifts)
}

fn of_years(tokenizer: &dyn Encode, usual: YearOptions) -> Result<Shifts, EvalError> {
    let changes = [
        (
            "other_names",
            "Other things last.",
            YearOptions { events: &greater_than::OTHER_EVENTS, ..usual.clone() },
        ),
        (
            "other_templates",
            "It is said in other sentences.",
            YearOptions { sentences: greater_than::OTHER_SENTENCES, ..usual.clone() },
        ),
        (
            "other_centuries",
            "It lasts in other centuries.",
            YearOptions { centuries: &greater_than::OTHER_CENTURIES, ..usual },
        ),
    ];
    let mut shifts = Shifts::default();
    for (name, description, changed) in changes {
        shifts.add(name, description, greater_than::generate(tokenizer, &changed))?;
    }
    Ok(shifts)
}

fn of_induction(tokenizer: &dyn Encode, usual: InductionOptions) -> Result<Shifts, EvalError> {
    let words = ANIMALS.into_iter().chain(COLOURS).collect();
    let other = InductionOptions { words, ..usual.clone() };
    let longer = InductionOptions { shapes: induction::LONGER_SHAPES, ..usual };
    let mut shifts = Shifts::default();
    shifts.add(
        "other_names",
        "The words are animals and what they look like.",
        induction::generate(tokenizer, &other),
    )?;
    shifts.add(
        "longer_sequences",
        "The sequences have sixteen words instead of eight.",
        induction::generate(tokenizer, &longer),
    )?;
    Ok(shifts)
}

fn of_questions(tokenizer: &dyn Encode, usual: QuestionOptions) -> Result<Shifts, EvalError> {
    let changes = [
        (
            "other_templates",
            "The sentences to be finished are others.",
            QuestionOptions { wording: Wording::OtherSentence, ..usual },
        ),
        (
            "as_questions",
            "They are questions instead of sentences to be finished.",
            QuestionOptions { wording: Wording::Question, ..usual },
        ),
        ("sentence_before", WITH_SENTENCE_BEFORE, QuestionOptions { before: Some(SENTENCE_BEFORE), ..usual }),
    ];
    let mut shifts = Shifts::default();
    for (name, description, changed) in changes {
        shifts.add(name, description, questions::generate(tokenizer, changed))?;
    }
    Ok(shifts)
}

fn of_own(path: &Path, tokenizer: &dyn Encode, per_length: usize) -> Result<Shifts, EvalError> {
    let prompts = own::read(path)?;
    let mut shifts = Shifts::default();
    for name in prompts.shifts() {
        let task = prompts.task(tokenizer, Some(&name), per_length);
        shifts.add(&name, &format!("The lines of the file that are of shift `{name}`."), task)?;
    }
    if shifts.tasks.is_empty() {
        let reason = "no line of the file has a key `shift`".to_owned();
        shifts.left_out.push(("shifts".to_owned(), reason));
    }
    Ok(shifts)
}
