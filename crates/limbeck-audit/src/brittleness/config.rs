//! What the `[audit.brittleness]` table of a recipe says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// How to measure brittleness beyond single removals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BrittlenessConfig {
    /// Exponent of severity: `mean((max(0, m - 20) / 80)^alpha)`.
    pub alpha: f64,
    /// Measure the curves under noise and under removal of several components.
    pub curves: bool,
    /// Prompts of the curves at most, spread evenly over the audit's.
    pub prompts: usize,
    /// Sizes of the noise, in standard deviations of each component's output.
    pub noise_sizes: Vec<f64>,
    /// Draws of the noise.
    pub noise_draws: usize,
    /// Numbers of components removed at once; those that a network does not have are left out.
    pub removed: Vec<usize>,
    /// Random orders of removal.
    pub random_orders: usize,
    /// Measure how much of a removed component's effect others take over.
    pub spare_capacity: bool,
    /// Shifted versions of the task on which the single removals are repeated, by name; those that a task or a
    /// tokenizer does not have are left out.
    pub shifts: Vec<String>,
    /// Prompts per template of each shifted version.
    pub shift_prompts: usize,
}

impl Default for BrittlenessConfig {
    fn default() -> Self {
        BrittlenessConfig {
            alpha: 1.0,
            curves: true,
            prompts: 32,
            noise_sizes: vec![0.1, 0.2, 0.4, 0.8, 1.6],
            noise_draws: 3,
            removed: vec![1, 2, 3, 5, 8, 13, 21, 34],
            random_orders: 3,
            spare_capacity: true,
            shifts: vec!["other_names".into(), "other_templates".into()],
            shift_prompts: 3,
        }
    }
}

impl BrittlenessConfig {
    /// Refuses values that make no measurement.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let refuse = |key, found: String, expected| Err(AuditError::Config { key, found, expected });
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return refuse("brittleness.alpha", self.alpha.to_string(), "it must be positive");
        }
        for (key, value) in [
            ("brittleness.prompts", self.prompts),
            ("brittleness.noise_draws", self.noise_draws),
            ("brittleness.random_orders", self.random_orders),
            ("brittleness.shift_prompts", self.shift_prompts),
        ] {
            if value == 0 {
                return refuse(key, "0".into(), "it must be at least 1");
            }
        }
        let sizes = &self.noise_sizes;
        let fine = |size: &f64| *size > 0.0 && size.is_finite();
        if sizes.is_empty() || !sizes.iter().all(fine) || !sizes.is_sorted_by(|a, b| a < b) {
            let found = format!("{sizes:?}");
            return refuse(
                "brittleness.noise_sizes",
                found,
                "it must be an ascending list of positive numbers",
            );
        }
        let counts = &self.removed;
        if counts.is_empty() || counts[0] == 0 || !counts.is_sorted_by(|a, b| a < b) {
            let found = format!("{counts:?}");
            return refuse("brittleness.removed", found, "it must be an ascending list of counts from 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_measurement_is_refused() {
        assert!(BrittlenessConfig::default().check().is_ok());
        let fine = BrittlenessConfig::default;
        for (key, config) in [
            ("brittleness.alpha", BrittlenessConfig { alpha: f64::NAN, ..fine() }),
            ("brittleness.prompts", BrittlenessConfig { prompts: 0, ..fine() }),
            ("brittleness.noise_draws", BrittlenessConfig { noise_draws: 0, ..fine() }),
            ("brittleness.random_orders", BrittlenessConfig { random_orders: 0, ..fine() }),
            ("brittleness.shift_prompts", BrittlenessConfig { shift_prompts: 0, ..fine() }),
            ("brittleness.noise_sizes", BrittlenessConfig { noise_sizes: vec![], ..fine() }),
            ("brittleness.noise_sizes", BrittlenessConfig { noise_sizes: vec![0.2, 0.1], ..fine() }),
            ("brittleness.noise_sizes", BrittlenessConfig { noise_sizes: vec![f64::INFINITY], ..fine() }),
            ("brittleness.removed", BrittlenessConfig { removed: vec![0, 1], ..fine() }),
            ("brittleness.removed", BrittlenessConfig { removed: vec![2, 2], ..fine() }),
        ] {
            let refused = config.check();
            assert!(matches!(refused, Err(AuditError::Config { key: found, .. }) if found == key), "{key}");
        }
    }
}
