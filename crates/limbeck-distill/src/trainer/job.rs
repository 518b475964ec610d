//! What is to be trained, and what comes of it.

use std::path::PathBuf;
use std::sync::Arc;

use limbeck_data::examples::{TokenExample, hash_examples};
use limbeck_data::hash::hash_bytes;
use limbeck_model::Decoder;
use limbeck_results::CurvePoint;
use limbeck_teach::Teacher;

use super::{Network, TrainingConfig};
use crate::DistillError;
use crate::checkpoint::Fingerprint;
use crate::objective::check::check_heads;
use crate::objective::{Layers, ObjectiveConfig, check};

/// One training: of a student, of its baseline, or of a language model from scratch.
pub struct TrainingJob {
    /// Name in metrics and messages: `teacher`, `student`, `baseline`.
    pub network: String,
    /// The network as it begins.
    pub student: Decoder,
    /// Who answers; none for a baseline or a language model.
    pub teacher: Option<Box<dyn Teacher>>,
    /// Leading columns of the heads that are compared ([`limbeck_teach::align`]); all the student's when absent.
    pub vocab_used: Option<usize>,
    /// The data.
    pub examples: Arc<[TokenExample]>,
    /// What is minimised.
    pub objectives: Vec<ObjectiveConfig>,
    /// How.
    pub config: TrainingConfig,
    /// Folder of this network's checkpoints.
    pub checkpoint_dir: PathBuf,
    /// The file metrics are appended to; networks may share it.
    pub metrics_path: PathBuf,
}

/// A trained network.
#[derive(Debug, Clone)]
pub struct TrainingOutcome {
    /// The network, outside any gradient graph.
    pub decoder: Decoder,
    /// Optimizer steps taken.
    pub steps: u64,
    /// Predictions (scored tokens) trained on.
    pub tokens: u64,
    /// Wall-clock seconds, over all resumptions.
    pub seconds: f64,
    /// The logged steps.
    pub curve: Vec<CurvePoint>,
}

impl TrainingJob {
    /// Columns of the heads that are compared.
    pub(super) fn columns(&self) -> usize {
        self.vocab_used.unwrap_or(self.student.config().vocab_size)
    }

    /// Refuses, before anything is computed, what cannot be trained.
    pub(super) fn check(&self) -> Result<(), DistillError> {
        self.config.check()?;
        let capabilities = self.teacher.as_ref().map(|teacher| teacher.capabilities());
        let shape = self.teacher.as_ref().and_then(|teacher| teacher.hidden_shape());
        let layers =
            shape.map(|shape| Layers { student: self.student.config().n_layers, teacher: shape.layers });
        check(&self.objectives, capabilities.as_ref(), layers)?;
        if let Some(shape) = shape {
            check_heads(&self.objectives, self.student.config().d_head, shape.head_width)?;
        }
        self.check_vocabulary()?;
        self.check_examples()
    }

    fn check_vocabulary(&self) -> Result<(), DistillError> {
        let student = self.student.config().vocab_size;
        let teacher = self.teacher.as_ref().map_or(student, |teacher| teacher.identity().vocab_size);
        let used = self.columns();
        match used >= 1 && used <= student.min(teacher) {
            true => Ok(()),
            false => Err(DistillError::Config {
                key: "vocab_used",
                found: used.to_string(),
                right: format!("at most the student's {student} and the teacher's {teacher} columns"),
            }),
        }
    }

    fn check_examples(&self) -> Result<(), DistillError> {
        let refuse = |reason: String| Err(DistillError::Data { reason });
        let longest = self.student.config().max_positions;
        let columns = self.columns();
        if self.examples.is_empty() {
            return refuse("there are no examples".to_string());
        }
        for (index, example) in self.examples.iter().enumerate() {
            if example.ids.len() > longest {
                let length = example.ids.len();
                return refuse(format!(
                    "example {index} has {length} tokens, the student takes at most {longest}"
                ));
            }
            if example.ids.len() != example.scored.len() || example.scored.first() == Some(&true) {
                return refuse(format!(
                    "example {index} marks its first token, or more tokens than it has, as scored"
                ));
            }
            if let Some(id) = example.ids.iter().find(|id| **id as usize >= columns) {
                return refuse(format!("example {index} holds token {id}, the vocabulary has {columns}"));
            }
            if example.scored_count() == 0 {
                return refuse(format!("example {index} has no scored token"));
            }
        }
        Ok(())
    }

    /// Hashes of all that decides the final weights; `network` is as it begins.
    pub(super) fn fingerprint(&self, network: &Network) -> Fingerprint {
        let objectives = format!("{:?} over {} columns", self.objectives, self.columns());
        Fingerprint {
            config: self.config.hash(),
            objectives: hash_bytes(objectives.as_bytes()),
            data: hash_examples(&self.examples),
            initial_weights: network.hash(),
            teacher: self.teacher.as_ref().map_or("none".to_string(), |it| it.identity().hash.clone()),
        }
    }
}
