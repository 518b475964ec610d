//! The sentences of the task as text, before any tokenizer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verb of a sequence's sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// "Van done in 1."
    Done,
    /// "Van lost in 1."
    Lost,
    /// "Van born in 1."
    Born,
    /// "Van seen in 1."
    Seen,
    /// "Van sold in 1."
    Sold,
    /// "Van found in 1."
    Found,
    /// "Van made in 1."
    Made,
}

impl Template {
    /// The three templates of the paper.
    pub const ALL: [Template; 3] = [Template::Done, Template::Lost, Template::Born];
    /// Further ones, for prompts unlike those of the paper; the quickstart's training has no sequence with them.
    pub const OTHERS: [Template; 4] = [Template::Seen, Template::Sold, Template::Found, Template::Made];

    /// The verb itself.
    pub fn verb(self) -> &'static str {
        match self {
            Template::Done => "done",
            Template::Lost => "lost",
            Template::Born => "born",
            Template::Seen => "seen",
            Template::Sold => "sold",
            Template::Found => "found",
            Template::Made => "made",
        }
    }
}

/// Sentences between those of the sequence that have nothing to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distractors {
    /// None: the task as in the paper.
    #[default]
    None,
    /// "Fox is red." after every second sentence of the sequence: always the same places, so that a
    /// position means the same in every prompt of a template.
    Words,
    /// "Fox has 17." in those places: a number that does not belong to the sequence.
    Numbers,
}

/// Subjects of distractors.
pub(crate) const ANIMALS: [&str; 24] = [
    "Fox", "Cat", "Dog", "Cow", "Hen", "Pig", "Owl", "Bee", "Ant", "Bat", "Bear", "Bird", "Crab", "Crow",
    "Deer", "Duck", "Fish", "Frog", "Goat", "Hawk", "Lion", "Mole", "Seal", "Wolf",
];

/// What "Fox is .." ends in.
pub(crate) const COLOURS: [&str; 12] =
    ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "big", "small", "old"];

/// A sentence with its full stop, which a vocabulary of whole words wants apart: "Van done in 1 ."
pub(crate) fn sentence(words: &str, apart: bool) -> String {
    format!("{words}{}.", if apart { " " } else { "" })
}
