//! What the `[audit.similarity]` table of a recipe says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// How components are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimilarityConfig {
    /// Outputs compared per component, at most: prompts x positions, as many positions of every prompt.
    pub rows: usize,
    /// Leading positions of every prompt whose outputs are left out: what stands there is the same whatever the prompt, and
    /// in many networks so large that it hides everything else.
    pub skip_positions: usize,
    /// Leading directions of every component's output that are compared, at most.
    pub directions: usize,
    /// Bootstrap resamples behind the intervals of every measure, and of variants A and one-to-one.
    pub resamples: usize,
    /// Networks without training whose alignment with the teacher is measured beside the student's: so many untrained ones
    /// of its shape, and as often its own weights shuffled. Without them (0) an alignment cannot be judged.
    pub floors: usize,
    /// Prompts of those measurements at most, spread evenly over the audit's.
    pub floor_prompts: usize,
}

impl Default for SimilarityConfig {
    fn default() -> Self {
        SimilarityConfig {
            rows: 2048,
            skip_positions: 1,
            directions: 16,
            resamples: 200,
            floors: 3,
            floor_prompts: 24,
        }
    }
}

impl SimilarityConfig {
    /// Refuses values that allow no comparison.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let numbers = [
            ("similarity.rows", self.rows),
            ("similarity.directions", self.directions),
            ("similarity.resamples", self.resamples),
            ("similarity.floor_prompts", self.floor_prompts),
        ];
        match numbers.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => {
                Err(AuditError::Config { key, found: "0".into(), expected: "it must be at least 1" })
            }
            None => Ok(()),
        }
    }
}
