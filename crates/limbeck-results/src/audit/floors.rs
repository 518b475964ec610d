//! What alignment comes to without anything learned from the teacher.

use limbeck_stats::number;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network that has learned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FloorKind {
    /// The student's shape with random initial weights.
    Untrained,
    /// The student's own weights, shuffled within each matrix: their distribution without their structure.
    ShuffledWeights,
}

impl FloorKind {
    /// In words: one such network.
    pub fn name(self) -> &'static str {
        match self {
            FloorKind::Untrained => "an untrained network of the student's shape",
            FloorKind::ShuffledWeights => "the student with its weights shuffled",
        }
    }

    /// In words: several such networks.
    pub fn plural(self) -> &'static str {
        match self {
            FloorKind::Untrained => "untrained networks of the student's shape",
            FloorKind::ShuffledWeights => "copies of the student with their weights shuffled",
        }
    }
}

/// Alignment A (variant B) of networks without training beside the student's, all on the same prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlignmentFloors {
    /// Prompts measured: some of the audit's, spread evenly over it.
    pub prompts: usize,
    /// The student's A on these prompts.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub student: f64,
    /// The baseline's A on these prompts; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// The networks without training.
    pub networks: Vec<NetworkFloor>,
}

/// A kind of network without training, drawn from several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkFloor {
    /// What they are.
    pub kind: FloorKind,
    /// A of each, in the order of their seeds.
    #[serde(with = "number::list")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub a: Vec<f64>,
}

impl AlignmentFloors {
    /// The highest A of any network without training.
    pub fn highest(&self) -> f64 {
        let all = self.networks.iter().flat_map(|floor| floor.a.iter().copied());
        all.fold(f64::NAN, f64::max)
    }
}
