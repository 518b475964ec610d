//! Contrast tasks: clean and corrupted prompts, each with right and wrong answers at its last position.
//!
//! The score of a network on a prompt is the logit difference `LD = mean logit(right) - mean logit(wrong)` at the
//! last position. Everything an audit does is said in terms of what it does to `LD`. [`generate`] makes the
//! prompts of a chosen task for any tokenizer, [`shifts`] makes them once more with something changed that the
//! task does not depend on; the audit sees [`ContrastTask`]s only.

mod choice;
mod draft;
mod facts;
mod greater_than;
mod induction;
mod ioi;
mod making;
mod own;
mod people;
mod questions;
mod shifts;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use choice::{ContrastOptions, KnownTask, OwnTask, TaskChoice, generate};
pub use shifts::{ShiftedTask, Shifts, shifts};

pub(crate) use draft::{Draft, ids_of};
pub(crate) use making::{DRAWS, Maker, make};
pub(crate) use words::{even_words, even_words_within, require_words};

/// One prompt, clean and corrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastPrompt {
    /// Tokens of the clean prompt; the answer is predicted at the last one.
    pub clean: Vec<u32>,
    /// The same prompt without what tells the answer; as long as `clean`, every position in the same part.
    pub corrupted: Vec<u32>,
    /// Tokens of right answers, at least one; their logits are averaged.
    pub right: Vec<u32>,
    /// Tokens of wrong answers, at least one, none of them right.
    pub wrong: Vec<u32>,
    /// The clean prompt as text.
    pub text: String,
    /// The corrupted prompt as text.
    pub corrupted_text: String,
}

/// Prompts of one length in which every position has the same part in the sentence, so that means per position
/// make sense.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastGroup {
    /// What they have in common, such as the template.
    pub name: String,
    /// Their length in tokens.
    pub length: usize,
    /// The prompts, at least one.
    pub prompts: Vec<ContrastPrompt>,
    /// Corrupted prompts to take means over: those of `prompts` first, in their order, and more where a mean over
    /// so few would still be about their contents.
    pub corrupted: Vec<Vec<u32>>,
}

/// A task for one tokenizer.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastTask {
    /// Its name, as recipes say it.
    pub name: String,
    /// Prompts by template and layout.
    pub groups: Vec<ContrastGroup>,
    /// What this tokenizer cannot express, each with the reason.
    pub left_out: Vec<(String, String)>,
}

impl ContrastGroup {
    /// Prompts of one length whose corrupted versions are enough to take means over. A group of no prompts has length 0.
    pub fn new(name: impl Into<String>, prompts: Vec<ContrastPrompt>) -> Self {
        Self {
            name: name.into(),
            length: prompts.first().map_or(0, |prompt| prompt.clean.len()),
            corrupted: prompts.iter().map(|prompt| prompt.corrupted.clone()).collect(),
            prompts,
        }
    }
}

impl ContrastTask {
    /// Number of prompts.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.prompts.len()).sum()
    }

    /// Whether there are no prompts (never so for a task that its module made).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Accuracy that reading no prompt reaches, in `[0, 1]`: that of the best constant answer; where one answer is right
    /// on every prompt, that of guessing among right and wrong ones, for then no constant answer tells anything.
    pub fn chance(&self) -> f64 {
        let mut right_on: BTreeMap<u32, usize> = BTreeMap::new();
        let mut guessing = 0.0;
        for prompt in self.prompts() {
            for token in prompt.right.iter().collect::<BTreeSet<_>>() {
                *right_on.entry(*token).or_default() += 1;
            }
            guessing += prompt.right.len() as f64 / (prompt.right.len() + prompt.wrong.len()) as f64;
        }
        let prompts = self.len().max(1) as f64;
        match right_on.into_values().max() {
            Some(most) if most < self.len() => most as f64 / prompts,
            _ => guessing / prompts,
        }
    }

    /// All prompts, group by group.
    pub fn prompts(&self) -> impl Iterator<Item = &ContrastPrompt> {
        self.groups.iter().flat_map(|group| &group.prompts)
    }
}
