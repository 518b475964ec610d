//! What can go wrong in a reproduction.

use limbeck_audit::AuditError;
use limbeck_data::DataError;
use limbeck_distill::DistillError;
use limbeck_eval::EvalError;
use limbeck_model::ModelError;
use limbeck_stats::StatsError;
use limbeck_teach::TeachError;
use thiserror::Error;

use crate::memory::MemoryError;
use crate::networks::NetworkError;

/// An error of an experiment.
#[derive(Debug, Error)]
pub enum ReproduceError {
    /// There is no experiment of that name.
    #[error("there is no experiment `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The recipe, or a change to it, cannot be read.
    #[error("recipe of `{experiment}`: {reason}")]
    Recipe {
        /// The experiment.
        experiment: String,
        /// What is wrong, with the key.
        reason: String,
    },
    /// A setting of the recipe is impossible.
    #[error("recipe: {key} = {found}, which should be {right}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What the recipe says.
        found: String,
        /// What would be right.
        right: String,
    },
    /// A network or a step of training that this machine's memory cannot hold.
    #[error("recipe: {0}")]
    Memory(#[from] MemoryError),
    /// Data could not be had, or a file not written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A training failed.
    #[error(transparent)]
    Distill(#[from] DistillError),
    /// A measurement failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Prompts or scores could not be made.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A network could not be had.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A teacher failed.
    #[error(transparent)]
    Teach(#[from] TeachError),
    /// A stored network could not be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A figure could not be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

impl ReproduceError {
    /// Whether the work ended because the user asked to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Data(DataError::Cancelled)
                | Self::Distill(DistillError::Cancelled { .. })
                | Self::Audit(AuditError::Cancelled)
                | Self::Eval(EvalError::Cancelled)
        )
    }

    /// Whether the user can mend it: a name, a recipe, a data file.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Data(DataError::Cancelled | DataError::Download { .. } | DataError::Tool { .. }) => false,
            Self::Data(DataError::Io { source, .. }) => matches!(
                source.kind(),
                std::io::ErrorKind::NotFound
                    | std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::NotADirectory
            ),
            Self::Distill(DistillError::Diverged { .. } | DistillError::Cancelled { .. }) => false,
            Self::Unknown { .. }
            | Self::Recipe { .. }
            | Self::Setting { .. }
            | Self::Memory(_)
            | Self::Model(ModelError::Config(_))
            | Self::Data(_)
            | Self::Distill(_)
            | Self::Teach(_) => true,
            Self::Network(_) => true,
            Self::Model(_) | Self::Stats(_) | Self::Audit(_) | Self::Eval(_) => false,
        }
    }

    /// Lines of advice.
    pub fn hints(&self) -> Vec<String> {
        match self {
            _ if self.is_cancelled() => vec!["the same command goes on from there".to_owned()],
            Self::Unknown { known, .. } => vec![format!("the experiments are: {}", known.join(", "))],
            Self::Data(error) => error.hint().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}
