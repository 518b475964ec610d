//! What the `[audit.circuit]` table of a recipe says.

use limbeck_results::CircuitMethod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AuditError;
use crate::attribution::Interpolation;

/// How circuits are sought and measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitConfig {
    /// Whether circuits are sought at all.
    pub enabled: bool,
    /// How they are found.
    pub method: CircuitMethod,
    /// Prompts used at most, spread evenly over the task's.
    pub prompts: usize,
    /// Percentage points that a circuit may lose, `T_n`: a node goes if `100 - kept < T_n` without it.
    pub threshold: f64,
    /// Whether `kept` is the share of what the components add to the logit difference, `100 * (LD - LD_nothing) / (LD_full -
    /// LD_nothing)`, with every component ablated in `LD_nothing`; else it is the score, `100 * LD / LD_full`, as in Haskins
    /// & Adams 2025, of which a network that hardly needs its components keeps nearly all without any.
    pub normalised: bool,
    /// Further thresholds to find circuits at and to compare them.
    pub thresholds: Vec<f64>,
    /// Networks with more heads and MLPs than this get one threshold only.
    pub thresholds_up_to: usize,
    /// What must be kept at least, in percent, for an edge to go: an edge whose removal leaves less stays.
    pub edge_score: f64,
    /// Edges removed one by one at most: where there are more, those of largest attribution. None with 0.
    pub edges: usize,
    /// Random circuits of equal size to compare with; none with 0.
    pub random: usize,
    /// For `eap` and `eap_ig`: edges of the circuit; 0 takes as few as keep the score above `100 - threshold`.
    pub top_edges: usize,
    /// For `eap_ig`: points on the way from the corrupted to the clean prompt.
    pub steps: usize,
    /// For `eap_ig`: what goes that way.
    pub interpolate: Interpolation,
}

impl Default for CircuitConfig {
    fn default() -> Self {
        CircuitConfig {
            enabled: true,
            method: CircuitMethod::Pruning,
            prompts: 24,
            threshold: 20.0,
            normalised: true,
            thresholds: vec![5.0, 10.0, 40.0],
            thresholds_up_to: 40,
            edge_score: 80.0,
            edges: 80,
            random: 20,
            top_edges: 0,
            steps: 5,
            interpolate: Interpolation::Inputs,
        }
    }
}

impl CircuitConfig {
    /// Refuses values that make no circuit.
    ///
    /// # Errors
    /// [`AuditError::Config`] naming the key.
    pub fn check(&self) -> Result<(), AuditError> {
        let refuse = |key, found: String, expected| Err(AuditError::Config { key, found, expected });
        for (key, value) in [("circuit.prompts", self.prompts), ("circuit.steps", self.steps)] {
            if value == 0 {
                return refuse(key, "0".into(), "it must be at least 1");
            }
        }
        let percent = |value: f64| value > 0.0 && value <= 100.0;
        for (key, value) in [("circuit.threshold", self.threshold), ("circuit.edge_score", self.edge_score)] {
            if !percent(value) {
                return refuse(key, value.to_string(), "it must be a percentage above 0 and at most 100");
            }
        }
        match self.thresholds.iter().find(|value| !percent(**value)) {
            Some(value) => refuse(
                "circuit.thresholds",
                value.to_string(),
                "each must be a percentage above 0 and at most 100",
            ),
            None => Ok(()),
        }
    }
}
