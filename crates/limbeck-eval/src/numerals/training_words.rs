//! The closed vocabulary of the quickstart's training task.

use super::names::NAMES;
use super::sentences::{ANIMALS, COLOURS, Template};

/// Largest number of the training task.
pub(super) const LARGEST: u32 = 40;

/// Every fifth name is never seen in training.
const NAMES_PER_HELD_OUT: usize = 5;

/// Names that training examples use.
pub fn training_names() -> Vec<&'static str> {
    NAMES
        .iter()
        .enumerate()
        .filter(|(i, _)| i % NAMES_PER_HELD_OUT != NAMES_PER_HELD_OUT - 1)
        .map(|(_, name)| *name)
        .collect()
}

/// Names kept for the shifted condition `unseen_names`.
pub fn held_out_names() -> Vec<&'static str> {
    NAMES.iter().skip(NAMES_PER_HELD_OUT - 1).step_by(NAMES_PER_HELD_OUT).copied().collect()
}

/// Every word of the training task, each once, in a fixed order: what a closed-vocabulary tokenizer is built
/// from. The full stop is a word of its own.
pub fn closed_vocabulary() -> Vec<String> {
    let mut words: Vec<String> = [".", "in", "is", "was", "has"].map(str::to_owned).to_vec();
    words.extend(Template::ALL.iter().chain(&Template::OTHERS).map(|template| template.verb().to_owned()));
    words.extend(COLOURS.iter().chain(&ANIMALS).chain(&NAMES).map(|&word| word.to_owned()));
    words.extend((1..=LARGEST).map(|number| number.to_string()));
    words
}
