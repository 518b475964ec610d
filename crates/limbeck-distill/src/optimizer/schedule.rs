//! The learning rate over the steps.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine from the peak to `min_ratio` of it (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5,
    /// without restarts).
    Cosine(Decay),
    /// A straight line from the peak to `min_ratio` of it.
    Linear(Decay),
    /// The peak to the end.
    Constant(Constant),
}

/// Where a decaying schedule ends.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decay {
    /// The last learning rate as a share of the peak, 0 to 1.
    pub min_ratio: f64,
}

/// A schedule without settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Constant {}

impl Default for Schedule {
    fn default() -> Self {
        Self::Cosine(Decay { min_ratio: 0.1 })
    }
}

impl Schedule {
    /// The share of the peak at `step` (from 1) of `steps`, after `warmup` steps that climb in equal parts from
    /// `1 / warmup` to 1. The last step has `min_ratio`.
    pub fn factor(&self, step: u64, steps: u64, warmup: u64) -> f64 {
        if step <= warmup {
            return step as f64 / warmup as f64;
        }
        let decaying = steps.saturating_sub(warmup).max(1);
        let done = ((step - warmup) as f64 / decaying as f64).min(1.0);
        match self {
            Self::Cosine(Decay { min_ratio }) => {
                min_ratio + (1.0 - min_ratio) * 0.5 * (1.0 + (PI * done).cos())
            }
            Self::Linear(Decay { min_ratio }) => 1.0 - (1.0 - min_ratio) * done,
            Self::Constant(_) => 1.0,
        }
    }

    /// The share of the peak where the schedule ends.
    pub fn min_ratio(&self) -> f64 {
        match self {
            Self::Cosine(decay) | Self::Linear(decay) => decay.min_ratio,
            Self::Constant(_) => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_climbs_and_cosine_falls_to_the_minimum() {
        let cosine = Schedule::Cosine(Decay { min_ratio: 0.1 });
        let factors: Vec<f64> = (1..=20).map(|step| cosine.factor(step, 20, 4)).collect();
        assert_eq!(&factors[..4], &[0.25, 0.5, 0.75, 1.0]);
        assert!(factors[3..].windows(2).all(|pair| pair[1] < pair[0]));
        assert!((factors[11] - 0.55).abs() < 1e-12, "half-way: the mean of 1 and 0.1");
        assert!((factors[19] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn linear_ends_at_its_minimum_and_constant_stays() {
        let linear = Schedule::Linear(Decay { min_ratio: 0.0 });
        assert!((linear.factor(10, 20, 0) - 0.5).abs() < 1e-12);
        assert_eq!(linear.factor(20, 20, 0), 0.0);
        assert_eq!(Schedule::Constant(Constant {}).factor(20, 20, 5), 1.0);
    }

    #[test]
    fn a_recipe_reads_it_and_refuses_unknown_keys() {
        let read = |text: &str| serde_json::from_str::<Schedule>(text);
        assert_eq!(read(r#"{"kind": "linear"}"#).unwrap(), Schedule::Linear(Decay { min_ratio: 0.0 }));
        assert!(read(r#"{"kind": "cosine", "min": 0.1}"#).is_err());
        assert!(read(r#"{"kind": "constant", "min_ratio": 0.1}"#).is_err());
    }
}
