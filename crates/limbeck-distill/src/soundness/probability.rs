//! A probability that may change as training goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A probability, constant or changing linearly between two steps. In a recipe: `0.1` or
/// `{ from = 0.0, to = 0.2, begin = 0, end = 40 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Probability {
    /// The same at every step.
    Constant(f64),
    /// `from` up to step `begin`, `to` from step `end` on, on the line between them in between; rising or falling.
    Linear(Linear),
}

/// A probability on a line between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Up to step `begin`.
    pub from: f64,
    /// From step `end` on.
    pub to: f64,
    /// The step, counted from 1, after which it changes.
    pub begin: u64,
    /// The step at which it has changed; not before `begin`.
    pub end: u64,
}

impl Default for Probability {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

impl Probability {
    /// Its value at an optimizer step, from 1.
    pub fn at(&self, step: u64) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Linear(Linear { from, .. }) if step <= self.begin() => from,
            Self::Linear(Linear { to, end, .. }) if step >= end => to,
            Self::Linear(Linear { from, to, begin, end }) => {
                from + (to - from) * (step - begin) as f64 / (end - begin) as f64
            }
        }
    }

    fn begin(&self) -> u64 {
        match self {
            Self::Constant(_) => 0,
            Self::Linear(line) => line.begin,
        }
    }

    /// Whether it is 0 at every step.
    pub fn is_never(&self) -> bool {
        match *self {
            Self::Constant(value) => value == 0.0,
            Self::Linear(Linear { from, to, .. }) => from == 0.0 && to == 0.0,
        }
    }

    /// Whether it is a probability below 1 at every step, and its steps are in order. At 1 nothing would be left to learn.
    pub fn is_possible(&self) -> bool {
        let share = |value: f64| (0.0..1.0).contains(&value);
        match *self {
            Self::Constant(value) => share(value),
            Self::Linear(Linear { from, to, begin, end }) => share(from) && share(to) && begin <= end,
        }
    }
}

/// What [`Probability::is_possible`] wants, for messages.
pub(crate) const POSSIBLE: &str =
    "a number from 0 to below 1, or { from, to, begin, end } of two such numbers and two steps in order";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_along_its_line_and_stays_at_its_ends() {
        let rising: Probability =
            serde_json::from_str(r#"{"from": 0.0, "to": 0.2, "begin": 10, "end": 30}"#).unwrap();
        for (step, expected) in [(1, 0.0), (10, 0.0), (20, 0.1), (30, 0.2), (500, 0.2)] {
            assert!((rising.at(step) - expected).abs() < 1e-12, "step {step}: {}", rising.at(step));
        }
        let falling: Probability =
            serde_json::from_str(r#"{"from": 0.4, "to": 0.0, "begin": 0, "end": 4}"#).unwrap();
        for (step, expected) in [(1, 0.3), (2, 0.2), (3, 0.1), (4, 0.0)] {
            assert!((falling.at(step) - expected).abs() < 1e-12, "step {step}: {}", falling.at(step));
        }
        let constant: Probability = serde_json::from_str("0.25").unwrap();
        assert_eq!((constant.at(1), constant.at(u64::MAX)), (0.25, 0.25));
        // A step rather than a slope.
        let sudden: Probability =
            serde_json::from_str(r#"{"from": 0.1, "to": 0.2, "begin": 5, "end": 5}"#).unwrap();
        assert_eq!((sudden.at(5), sudden.at(6)), (0.1, 0.2));
    }

    #[test]
    fn impossible_ones_are_told_apart() {
        for text in ["1.0", "-0.1", r#"{"from": 0.0, "to": 1.5, "begin": 0, "end": 4}"#] {
            assert!(!serde_json::from_str::<Probability>(text).unwrap().is_possible(), "{text}");
        }
        let backwards = r#"{"from": 0.0, "to": 0.5, "begin": 9, "end": 4}"#;
        assert!(!serde_json::from_str::<Probability>(backwards).unwrap().is_possible());
        assert!(serde_json::from_str::<Probability>(r#"{"from": 0.0, "to": 0.5}"#).is_err());
        assert!(Probability::default().is_never());
    }
}
