//! Tasks and paired evaluation: accuracy, agreement, divergence, calibration, shift.
//!
//! [`numerals`] makes the number-sequence task for any tokenizer. [`score`] runs teacher, student and baseline over
//! the same held-out examples, [`evaluate`] turns the scores into estimates with intervals and paired
//! comparisons, and [`verdict`] says what they amount to.

mod answers;
pub mod classes;
mod comparison;
pub mod contrast;
mod encode;
mod error;
mod evaluation;
pub mod numerals;
mod record;
mod scoring;
mod sentences;
mod summary;
mod verdict;

pub use answers::answers;
pub use comparison::SmallestEffect;
pub use encode::Encode;
pub use error::EvalError;
pub use evaluation::{EvaluationOptions, ExampleScore, ExampleScores, Networks, Pair, ShiftedSet, evaluate};
pub use record::{read_scores, write_scores};
pub use scoring::{NetworkScores, Scores, ScoringOptions, score};
pub use verdict::{standings, verdict};
