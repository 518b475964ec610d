//! What each attention head does, by measured scores.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Descriptions of all heads of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heads {
    /// Sequences of random tokens, each repeated once, on which the general patterns are measured.
    pub sequences: usize,
    /// Random tokens before they are repeated.
    pub period: usize,
    /// Least mean attention for a head to be called after a pattern, in `[0, 1]`.
    pub threshold: f64,
    /// Every head, by layer.
    pub heads: Vec<HeadDescription>,
}

/// One head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadDescription {
    /// Its label, such as `7.11`.
    pub head: String,
    /// Block it is in.
    pub layer: usize,
    /// What it is called: the pattern of largest excess over uniform attention among those that reach the threshold;
    /// absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<HeadPattern>,
    /// Every pattern measured.
    pub scores: Vec<PatternScore>,
    /// Copying by the OV circuit: the chance that a token raises its own logit above that of another token, in
    /// `[0, 1]`; 0.5 is neither, above copies, below suppresses.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub copying: f64,
}

/// Mean attention that a head gives to one kind of position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatternScore {
    /// The kind of position.
    pub pattern: HeadPattern,
    /// Mean attention, in `[0, 1]`, with its interval over sequences or prompts.
    pub attention: Estimate,
    /// What attention spread evenly over all positions before would give.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub uniform: f64,
}

/// Where a head looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadPattern {
    /// The token before (random tokens).
    Previous,
    /// The earlier occurrence of the current token (repeated random tokens).
    Duplicate,
    /// The token after the earlier occurrence of the current one (repeated random tokens).
    Induction,
    /// The current token itself (random tokens).
    Current,
    /// The first position (random tokens): a resting place.
    First,
    /// From the answer's position: tokens that the corrupted prompt changes.
    Changed,
    /// From the answer's position: tokens of the right answer.
    Right,
    /// From the answer's position: tokens of the wrong answer.
    Wrong,
    /// From the answer's position: numbers.
    Numbers,
    /// From the answer's position: words with a capital, such as names.
    Names,
    /// From the answer's position: punctuation.
    Punctuation,
}

impl HeadPattern {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            HeadPattern::Previous => "previous token",
            HeadPattern::Duplicate => "duplicate token",
            HeadPattern::Induction => "induction",
            HeadPattern::Current => "current token",
            HeadPattern::First => "first token",
            HeadPattern::Changed => "changed tokens",
            HeadPattern::Right => "right answer",
            HeadPattern::Wrong => "wrong answer",
            HeadPattern::Numbers => "numbers",
            HeadPattern::Names => "names",
            HeadPattern::Punctuation => "punctuation",
        }
    }
}
