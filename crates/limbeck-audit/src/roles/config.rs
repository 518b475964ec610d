//! What the `[audit.roles]` table of a recipe says.

use limbeck_results::SimilarityMeasure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// Thresholds of the rule that gives out roles: see [`limbeck_results::RoleRule`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolesConfig {
    /// Measure of similarity: one that heads and MLPs both have.
    pub measure: SimilarityMeasure,
    /// Least `(S - chance) / (1 - chance)` of counterparts, in `[0, 1]`.
    pub similar: f64,
    /// How far below the best similarity of each of the two a counterpart's may be, in `[0, 1]`.
    pub margin: f64,
    /// Least `|drop|` of a component in use, in percentage points of the logit difference.
    pub in_use: f64,
    /// A student component is over-relied on when its drop exceeds this many times what it inherited, at least 1.
    pub overload: f64,
    /// Least drop of an over-relied component, in percentage points.
    pub heavy: f64,
    /// Bootstrap resamples of prompts behind every stability.
    pub resamples: usize,
}

impl Default for RolesConfig {
    fn default() -> Self {
        RolesConfig {
            measure: SimilarityMeasure::Cka,
            similar: 0.5,
            margin: 0.2,
            in_use: 2.0,
            overload: 2.0,
            heavy: 20.0,
            resamples: 200,
        }
    }
}

impl RolesConfig {
    /// Refuses thresholds that make no rule.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let refuse = |key, found: String, expected| Err(AuditError::Config { key, found, expected });
        let shares = [("roles.similar", self.similar), ("roles.margin", self.margin)];
        if let Some((key, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return refuse(key, value.to_string(), "it must lie in [0, 1]");
        }
        let points = [("roles.in_use", self.in_use), ("roles.heavy", self.heavy)];
        if let Some((key, value)) =
            points.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            return refuse(key, value.to_string(), "it must be a number of percentage points, at least 0");
        }
        if !(self.overload.is_finite() && self.overload >= 1.0) {
            return refuse("roles.overload", self.overload.to_string(), "it must be at least 1");
        }
        if self.resamples == 0 {
            return refuse("roles.resamples", "0".into(), "it must be at least 1");
        }
        let both = [
            SimilarityMeasure::Cka,
            SimilarityMeasure::Svcca,
            SimilarityMeasure::Procrustes,
            SimilarityMeasure::EffectPearson,
            SimilarityMeasure::EffectSpearman,
        ];
        if !both.contains(&self.measure) {
            let found = format!("{:?}", self.measure);
            return refuse("roles.measure", found, "it must be one that heads and MLPs both have");
        }
        Ok(())
    }
}
