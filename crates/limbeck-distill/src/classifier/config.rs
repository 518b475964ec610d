//! The recipe of a classifier: its hidden layers, how it is regularised, and how its weights move.

use limbeck_kernels::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DistillError, Schedule};

/// How a classifier is built and trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Units of the hidden layers, from the input on.
    pub hidden: Vec<usize>,
    /// Share of the inputs set to 0 in training.
    pub input_dropout: f64,
    /// Share of the outputs of every hidden layer set to 0 in training.
    pub hidden_dropout: f64,
    /// Longest vector of incoming weights a hidden unit may have; no limit when absent.
    pub max_norm: Option<f64>,
    /// Pictures are moved by up to this many pixels in each direction, anew every time they are seen.
    pub jitter: usize,
    /// Times every example is seen, at most.
    pub epochs: u64,
    /// Examples in a step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it goes on after the warm-up.
    pub schedule: Schedule,
    /// Steps in which it climbs to the peak.
    pub warmup_steps: u64,
    /// Operands of the matrix products of training: `f32`, or `bf16`, which is faster where the processor has it.
    pub precision: Precision,
    /// What turns gradients into steps.
    pub optimizer: SolverConfig,
    /// Stop when the held-out part no longer improves, and keep the best weights; absent: train all epochs.
    pub early_stopping: Option<EarlyStopping>,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            hidden: vec![800, 800],
            input_dropout: 0.0,
            hidden_dropout: 0.0,
            max_norm: None,
            jitter: 0,
            epochs: 20,
            batch_size: 128,
            learning_rate: 0.05,
            schedule: Schedule::default(),
            warmup_steps: 0,
            precision: Precision::F32,
            optimizer: SolverConfig::default(),
            early_stopping: None,
        }
    }
}

/// What turns gradients into steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SolverConfig {
    /// Stochastic gradient descent with momentum.
    Momentum(MomentumConfig),
    /// AdamW.
    Adamw(AdamWConfig),
}

impl SolverConfig {
    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Momentum(_) => "momentum",
            Self::Adamw(_) => "adamw",
        }
    }
}

impl Default for SolverConfig {
    fn default() -> Self {
        Self::Momentum(MomentumConfig::default())
    }
}

/// Settings of momentum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MomentumConfig {
    /// Share of the velocity that is kept, in [0, 1).
    pub momentum: f64,
    /// Nesterov's form.
    pub nesterov: bool,
    /// L2 penalty on weight matrices.
    pub weight_decay: f64,
}

impl Default for MomentumConfig {
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }
}

/// Settings of AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay on weight matrices.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without fewer held-out errors after which training ends.
    pub patience: u64,
}

/// One objective of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ClassTerm {
    /// Cross-entropy with the true classes, at temperature 1.
    CrossEntropy(WeightedTerm),
    /// `T^2 KL(teacher || student)`, both at temperature T.
    SoftTargets(SoftTerm),
    /// `1/(2N) sum_i ((z_i - mean z) - (v_i - mean v))^2`: the limit of soft targets for high T.
    LogitMatching(WeightedTerm),
}

/// An objective with no setting but its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedTerm {
    /// Weight in the sum.
    pub weight: f64,
}

/// Soft targets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftTerm {
    /// Weight in the sum.
    pub weight: f64,
    /// Temperature of both softmaxes.
    pub temperature: f64,
}

impl ClassTerm {
    /// Cross-entropy alone.
    pub fn hard() -> Self {
        Self::CrossEntropy(WeightedTerm { weight: 1.0 })
    }

    /// Soft targets at temperature `temperature`.
    pub fn soft(weight: f64, temperature: f64) -> Self {
        Self::SoftTargets(SoftTerm { weight, temperature })
    }

    /// Its weight in the sum.
    pub fn weight(self) -> f64 {
        self.numbers().0
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::SoftTargets(_) => "soft_targets",
            Self::LogitMatching(_) => "logit_matching",
        }
    }

    /// Whether it compares with a teacher.
    pub fn needs_teacher(self) -> bool {
        !matches!(self, Self::CrossEntropy(_))
    }

    fn numbers(self) -> (f64, f64) {
        match self {
            Self::CrossEntropy(term) | Self::LogitMatching(term) => (term.weight, 1.0),
            Self::SoftTargets(term) => (term.weight, term.temperature),
        }
    }
}

impl ClassifierConfig {
    /// `[features, hidden.., classes]`.
    pub fn widths(&self, features: usize, classes: usize) -> Vec<usize> {
        std::iter::once(features).chain(self.hidden.iter().copied()).chain([classes]).collect()
    }

    /// Refuses settings that cannot be trained with.
    ///
    /// # Errors
    /// [`DistillError::Config`] or [`DistillError::Setting`] with the key, what was found and what would be right.
    pub fn check(&self, terms: &[ClassTerm]) -> Result<(), DistillError> {
        let share = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let rules: [(&'static str, bool, String, &str); 9] = [
            ("hidden", !self.hidden.contains(&0), format!("{:?}", self.hidden), "a list of positive widths"),
            ("input_dropout", share(self.input_dropout), self.input_dropout.to_string(), "from 0 to below 1"),
            (
                "hidden_dropout",
                share(self.hidden_dropout),
                self.hidden_dropout.to_string(),
                "from 0 to below 1",
            ),
            ("max_norm", self.max_norm.is_none_or(positive), format!("{:?}", self.max_norm), "above 0"),
            ("jitter", self.jitter <= 64, self.jitter.to_string(), "0 to 64 pixels"),
            ("epochs", self.epochs > 0, self.epochs.to_string(), "at least 1"),
            ("batch_size", self.batch_size > 0, self.batch_size.to_string(), "at least 1"),
            ("learning_rate", positive(self.learning_rate), self.learning_rate.to_string(), "above 0"),
            (
                "schedule.min_ratio",
                (0.0..=1.0).contains(&self.schedule.min_ratio()),
                self.schedule.min_ratio().to_string(),
                "from 0 to 1",
            ),
        ];
        for (key, holds, found, right) in rules {
            if !holds {
                return Err(DistillError::Config { key, found, right: right.to_owned() });
            }
        }
        if terms.is_empty() {
            return Err(DistillError::NoObjective);
        }
        for term in terms {
            let (weight, temperature) = term.numbers();
            let wrong = |key, found: f64, right| {
                Err(DistillError::Setting {
                    objective: term.name().to_owned(),
                    key,
                    found: found.to_string(),
                    right,
                })
            };
            if !(weight.is_finite() && weight >= 0.0) {
                return wrong("weight", weight, "a finite number of at least 0");
            }
            if !positive(temperature) {
                return wrong("temperature", temperature, "a finite number above 0");
            }
        }
        Ok(())
    }
}
