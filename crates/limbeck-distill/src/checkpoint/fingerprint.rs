//! Which training a checkpoint belongs to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DistillError;

/// Hashes of all that decides the final weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Of the training configuration, without how often something is written down.
    pub config: String,
    /// Of the list of objectives and the compared columns of the vocabulary.
    pub objectives: String,
    /// Of the examples, in order.
    pub data: String,
    /// Of the weights before the first step.
    pub initial_weights: String,
    /// The teacher's hash, or `none`.
    pub teacher: String,
}

impl Fingerprint {
    /// Refuses a checkpoint of another training by naming the first part that differs.
    pub(super) fn compare(&self, path: &Path, found: &Self) -> Result<(), DistillError> {
        let parts = [
            ("training configuration", &found.config, &self.config),
            ("list of objectives", &found.objectives, &self.objectives),
            ("data", &found.data, &self.data),
            ("initial student", &found.initial_weights, &self.initial_weights),
            ("teacher", &found.teacher, &self.teacher),
        ];
        match parts.into_iter().find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => Err(DistillError::CheckpointMismatch {
                path: path.to_path_buf(),
                what,
                found: short(found),
                expected: short(expected),
            }),
            None => Ok(()),
        }
    }
}

/// The first digits of a hash: enough to see that two differ.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
