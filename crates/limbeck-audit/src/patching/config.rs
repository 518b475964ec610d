//! What the `[audit.patching]` table of a recipe says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// Activation patching: values of the clean run put into the corrupted one, and the other way round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatchingConfig {
    /// Patch every head and MLP.
    pub components: bool,
    /// Patch the residual stream, layer by layer and position by position.
    pub residual: bool,
    /// Prompts of each group (template and layout) at most.
    pub prompts_per_group: usize,
    /// Networks with more parameters are not patched: the residual stream alone takes a pass for every layer and
    /// position.
    pub up_to_parameters: u64,
    /// Bootstrap resamples of every effect.
    pub resamples: usize,
}

impl Default for PatchingConfig {
    fn default() -> Self {
        PatchingConfig {
            components: true,
            residual: true,
            prompts_per_group: 8,
            up_to_parameters: 20_000_000,
            resamples: 1_000,
        }
    }
}

impl PatchingConfig {
    /// Refuses values that make no measurement.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        for (key, value) in
            [("patching.prompts_per_group", self.prompts_per_group), ("patching.resamples", self.resamples)]
        {
            if value == 0 {
                return Err(AuditError::Config { key, found: "0".into(), expected: "it must be at least 1" });
            }
        }
        Ok(())
    }
}
