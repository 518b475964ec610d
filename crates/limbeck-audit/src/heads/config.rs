//! What the `[audit.heads]` table of a recipe says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// How heads are described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeadsConfig {
    /// Sequences of random tokens, each repeated once.
    pub sequences: usize,
    /// Random tokens before they are repeated; fewer where the network has no positions or tokens for so many.
    pub period: usize,
    /// Least mean attention for a head to be called after a pattern, in `(0, 1]`.
    pub threshold: f64,
    /// Random tokens for the copying score.
    pub copied_tokens: usize,
    /// Bootstrap resamples of every interval.
    pub resamples: usize,
}

impl Default for HeadsConfig {
    fn default() -> Self {
        HeadsConfig { sequences: 8, period: 24, threshold: 0.4, copied_tokens: 200, resamples: 500 }
    }
}

impl HeadsConfig {
    /// Refuses values that describe nothing.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let numbers = [
            ("heads.sequences", self.sequences, 1),
            ("heads.period", self.period, 2),
            ("heads.copied_tokens", self.copied_tokens, 2),
            ("heads.resamples", self.resamples, 1),
        ];
        if let Some((key, value, _)) = numbers.into_iter().find(|(_, value, least)| value < least) {
            return Err(AuditError::Config { key, found: value.to_string(), expected: "it is too small" });
        }
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            return Err(AuditError::Config {
                key: "heads.threshold",
                found: self.threshold.to_string(),
                expected: "it must lie in (0, 1]",
            });
        }
        Ok(())
    }
}
