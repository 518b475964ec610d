//! The number-sequence task of Haskins & Adams 2025 (arXiv 2505.10822).
//!
//! "Van done in 1. Hat done in 2. Ring done in 3. Desk done in 4. Sun done in" asks for 5. The score of a
//! network is the logit difference `LD = logit(right next number) - logit(last number shown)` at the answer
//! position. The corrupted set holds random numbers in the places of the sequence, so that nothing in it
//! tells the answer.
//!
//! [`generate`] makes clean and corrupted prompts for any tokenizer; [`training_sets`] makes the examples
//! that the quickstart's networks learn the task from.

mod generation;
mod names;
mod notation;
mod sentences;
#[cfg(test)]
mod tests;
mod training;
mod training_words;

pub use generation::{NumeralsOptions, generate};
pub use names::NAMES;
pub use notation::Notation;
pub(crate) use sentences::{ANIMALS, COLOURS};
pub use sentences::{Distractors, Template};
pub use training::{TrainingOptions, TrainingSets, training_sets};
pub use training_words::{closed_vocabulary, held_out_names, training_names};
