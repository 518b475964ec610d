//! The training section of a recipe.

use limbeck_data::hash::hash_bytes;
use limbeck_kernels::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::soundness::ComponentDropout;
use crate::{DistillError, Schedule};

/// Parameters below which a micro-batch is cut in two when a recipe does not say.
const SMALL: u64 = 4_000_000;

/// How long, how fast and in what portions a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Optimizer steps.
    pub steps: u64,
    /// Sequences per optimizer step.
    pub batch_size: usize,
    /// Training examples used: the first so many of the data; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_examples: Option<usize>,
    /// Micro-batches a step's sequences are divided into, to save memory. Every prediction of the step weighs the
    /// same, so the gradient is that of the undivided batch, up to rounding.
    pub accumulation: usize,
    /// Parts of a micro-batch computed at the same time, each with an equal share of the threads: small products
    /// gain more from standing side by side than from sharing every one among all threads. A part of the recipe
    /// and not of the machine, as sums in another order round otherwise. When absent: 2 for a network of fewer than
    /// 4 million parameters, else 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slices: Option<usize>,
    /// Operands of the matrix products of student, baseline and local teacher during training: `f32`, or `bf16` with
    /// sums, weights, norms and losses in 32 bits. A processor without bfloat16 products computes in f32.
    pub precision: Precision,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate climbs to its peak; a training that is shorter never reaches it.
    pub warmup_steps: u64,
    /// The learning rate after the warm-up.
    pub schedule: Schedule,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Largest global gradient norm; longer gradients are scaled down to it. 0 clips nothing.
    pub clip_norm: f64,
    /// Heads and MLPs removed at random as the network learns; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_dropout: Option<ComponentDropout>,
    /// Decay rates of AdamW's first and second moments.
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    pub eps: f64,
    /// Seed of the order of the data, of the projections and of the components removed.
    pub seed: u64,
    /// Steps between checkpoints; 0 writes one at the end and on Ctrl-C only.
    pub checkpoint_every: u64,
    /// Steps between lines of metrics; the first and the last step are always logged.
    pub log_every: u64,
    /// Steps between measurements of each objective's own gradient norm, which cost one more pass per objective;
    /// 0 never measures. With a single objective it is free and always logged.
    pub term_gradients_every: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: 16,
            max_examples: None,
            accumulation: 1,
            slices: None,
            precision: Precision::F32,
            learning_rate: 3e-4,
            warmup_steps: 50,
            schedule: Schedule::default(),
            weight_decay: 0.01,
            clip_norm: 1.0,
            component_dropout: None,
            betas: [0.9, 0.999],
            eps: 1e-8,
            seed: 0,
            checkpoint_every: 100,
            log_every: 1,
            term_gradients_every: 25,
        }
    }
}

impl TrainingConfig {
    /// How many of `examples` training examples are used.
    pub fn examples_of(&self, examples: usize) -> usize {
        self.max_examples.unwrap_or(examples).min(examples)
    }

    /// Parts of a micro-batch of a network with this many parameters.
    pub fn slices_of(&self, parameters: u64) -> usize {
        self.slices.unwrap_or(if parameters < SMALL { 2 } else { 1 })
    }

    /// Refuses values no training can have.
    ///
    /// # Errors
    /// [`DistillError::Config`] with the key, what was found and what would be right.
    pub fn check(&self) -> Result<(), DistillError> {
        let rules: [(&'static str, bool, String, &str); 12] = [
            ("steps", self.steps > 0, self.steps.to_string(), "at least 1"),
            ("batch_size", self.batch_size > 0, self.batch_size.to_string(), "at least 1"),
            ("max_examples", self.max_examples != Some(0), "0".to_owned(), "at least 1"),
            (
                "accumulation",
                self.accumulation > 0 && self.accumulation <= self.batch_size,
                self.accumulation.to_string(),
                "at least 1 and at most batch_size",
            ),
            (
                "slices",
                self.slices.is_none_or(|slices| (1..=256).contains(&slices)),
                self.slices.unwrap_or(1).to_string(),
                "from 1 to 256",
            ),
            (
                "learning_rate",
                self.learning_rate.is_finite() && self.learning_rate > 0.0,
                self.learning_rate.to_string(),
                "a number above 0",
            ),
            (
                "schedule.min_ratio",
                (0.0..=1.0).contains(&self.schedule.min_ratio()),
                self.schedule.min_ratio().to_string(),
                "from 0 to 1",
            ),
            (
                "weight_decay",
                self.weight_decay.is_finite() && self.weight_decay >= 0.0,
                self.weight_decay.to_string(),
                "a number of at least 0",
            ),
            (
                "clip_norm",
                self.clip_norm.is_finite() && self.clip_norm >= 0.0,
                self.clip_norm.to_string(),
                "a number above 0, or 0 to clip nothing",
            ),
            (
                "betas",
                self.betas.iter().all(|beta| (0.0..1.0).contains(beta)),
                format!("{:?}", self.betas),
                "two numbers from 0 to below 1",
            ),
            ("eps", self.eps.is_finite() && self.eps > 0.0, self.eps.to_string(), "a number above 0"),
            ("log_every", self.log_every > 0, self.log_every.to_string(), "at least 1"),
        ];
        match rules.into_iter().find(|(_, right, ..)| !right) {
            Some((key, _, found, right)) => {
                Err(DistillError::Config { key, found, right: right.to_string() })
            }
            None => self.component_dropout.map_or(Ok(()), |dropout| dropout.check()),
        }
    }

    /// Hash of what decides the weights: everything but how often something is written down.
    pub fn hash(&self) -> String {
        let deciding = Self { checkpoint_every: 0, log_every: 1, term_gradients_every: 0, ..self.clone() };
        hash_bytes(format!("{deciding:?}").as_bytes())
    }

    /// Whether a step's figures are logged.
    pub(crate) fn logs(&self, step: u64) -> bool {
        step == 1 || step == self.steps || step.is_multiple_of(self.log_every)
    }

    /// Whether a step measures each objective's gradient: a logged step, the first or every `term_gradients_every`th.
    pub(crate) fn measures(&self, step: u64) -> bool {
        let every = self.term_gradients_every;
        every > 0 && self.logs(step) && (step == 1 || step.is_multiple_of(every))
    }

    /// The limit of the gradient norm, if there is one.
    pub(crate) fn clip_limit(&self) -> Option<f64> {
        (self.clip_norm > 0.0).then_some(self.clip_norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soundness::Probability;

    #[test]
    fn the_defaults_are_fine_and_nonsense_is_refused_by_key() {
        assert!(TrainingConfig::default().check().is_ok());
        let wrong = TrainingConfig { accumulation: 17, ..TrainingConfig::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("accumulation = 17"));
        let wrong = TrainingConfig { learning_rate: f64::NAN, ..TrainingConfig::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("learning_rate"));
        let wrong = TrainingConfig { betas: [0.9, 1.0], ..TrainingConfig::default() };
        assert!(wrong.check().is_err());
        let dropout = ComponentDropout { mlps: Probability::Constant(1.0), ..ComponentDropout::default() };
        let wrong = TrainingConfig { component_dropout: Some(dropout), ..TrainingConfig::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("component_dropout.mlps"));
    }

    #[test]
    fn the_hash_ignores_only_what_cannot_change_the_weights() {
        let base = TrainingConfig::default();
        assert_eq!(base.hash(), TrainingConfig { checkpoint_every: 7, log_every: 3, ..base.clone() }.hash());
        assert_ne!(base.hash(), TrainingConfig { seed: 1, ..base.clone() }.hash());
        assert_ne!(base.hash(), TrainingConfig { steps: 2, ..base.clone() }.hash());
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<TrainingConfig>(r#"{"step": 5}"#).is_err());
        let read: TrainingConfig = serde_json::from_str(r#"{"steps": 5}"#).unwrap();
        assert_eq!(read.steps, 5);
    }
}
