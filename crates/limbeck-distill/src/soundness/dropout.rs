//! Dropout of whole heads and MLPs.

use limbeck_model::Fill;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Probability;
use super::probability::POSSIBLE;
use crate::DistillError;

/// In the pass that the objectives are computed on, every head (its z) and every MLP (its output) is removed with a
/// probability of its own from a whole sequence. Those that stay are not rescaled: what the student learns to do
/// without is what an audit removes. Nothing is removed when the student is used.
///
/// The draws are a function of seed, step and micro-batch. Objectives that look at components see what these said before
/// they were removed. The baseline, trained by the same settings, loses components too.
///
/// Source: LayerDrop (Fan, Grave, Joulin 2020, arXiv 1909.11556) brought to heads and MLPs; for heads also DropHead (Zhou
/// et al. 2020, arXiv 2004.13342), which rescales.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentDropout {
    /// Probability of each head.
    pub heads: Probability,
    /// Probability of each MLP.
    pub mlps: Probability,
    /// What stands in the place of a removed component.
    pub fill: Fill,
}

impl ComponentDropout {
    /// Refuses probabilities that are none.
    ///
    /// # Errors
    /// [`DistillError::Config`] with the key.
    pub fn check(&self) -> Result<(), DistillError> {
        let keys = [("component_dropout.heads", self.heads), ("component_dropout.mlps", self.mlps)];
        match keys.into_iter().find(|(_, probability)| !probability.is_possible()) {
            Some((key, found)) => {
                Err(DistillError::Config { key, found: format!("{found:?}"), right: POSSIBLE.to_owned() })
            }
            None => Ok(()),
        }
    }
}
