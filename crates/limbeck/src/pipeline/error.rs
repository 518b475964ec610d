//! Why a run stopped, with the stage it stopped in.

use std::io;
use std::path::PathBuf;

use limbeck_audit::AuditError;
use limbeck_data::DataError;
use limbeck_distill::DistillError;
use limbeck_eval::EvalError;
use limbeck_model::ModelError;
use limbeck_teach::TeachError;

use crate::memory::MemoryError;
use crate::networks::NetworkError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A stage could not do its work.
    #[error("{stage}: {source}")]
    Stage {
        /// The stage's name.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// Another process is writing the run folder.
    #[error("another run is writing {folder}", folder = folder.display())]
    Locked {
        /// The run folder.
        folder: PathBuf,
    },
    /// A finished run stands where another would be written.
    #[error("{folder} holds a finished run of {what}", folder = folder.display())]
    Finished {
        /// The run folder.
        folder: PathBuf,
        /// Of what, and what differs.
        what: String,
    },
    /// The run folder cannot be used.
    #[error("cannot {action} {path}", path = path.display())]
    Folder {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the run folder cannot be read or written.
    #[error(transparent)]
    File(#[from] DataError),
    /// The user asked to stop work that leaves nothing behind.
    #[error("stopped during {stage}; nothing of it is kept")]
    Stopped {
        /// What was in work.
        stage: &'static str,
    },
    /// The user asked to stop.
    #[error("stopped during {stage}; everything done is kept in {folder}", folder = folder.display())]
    Cancelled {
        /// The stage in work.
        stage: String,
        /// The run folder.
        folder: PathBuf,
    },
}

/// Why a stage failed, by the floor it failed on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Files, locators, records.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Weights, tokenizers, shapes.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Signals.
    #[error(transparent)]
    Teach(#[from] TeachError),
    /// Training.
    #[error(transparent)]
    Distill(#[from] DistillError),
    /// Scoring.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Looking inside.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Values that cannot be written as JSON: a defect of ours.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A recipe that cannot be written as TOML: a defect of ours.
    #[error(transparent)]
    Recipe(#[from] toml::ser::Error),
    /// A network or a step that cannot fit into memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A network whose scores are no numbers.
    #[error(
        "the {network}'s loss on the held-out examples is {value}: its weights or activations left the finite numbers"
    )]
    NotFinite {
        /// The network.
        network: &'static str,
        /// The loss.
        value: f64,
    },
    /// The data does not do: too little of it, too much lost, too long.
    #[error("{reason}")]
    TooLittle {
        /// What there is and what is needed.
        reason: String,
    },
    /// Records that are wrong.
    #[error("{}", lines(errors))]
    Rows {
        /// The first of them.
        errors: Vec<DataError>,
    },
}

/// One error a line.
fn lines(errors: &[DataError]) -> String {
    errors.iter().map(DataError::to_string).collect::<Vec<_>>().join("\n")
}

impl From<NetworkError> for StageError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Data(error) => Self::Data(error),
            NetworkError::Model(error) => Self::Model(error),
        }
    }
}

impl StageError {
    /// Whether the work ended because the user asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Data(DataError::Cancelled)
                | Self::Teach(TeachError::Cancelled { .. })
                | Self::Distill(DistillError::Cancelled { .. })
                | Self::Eval(EvalError::Cancelled)
                | Self::Audit(AuditError::Cancelled)
        )
    }
}

impl PipelineError {
    /// The error of work done outside a run folder; a wish to stop is told apart.
    pub fn of_stage(stage: &'static str, source: StageError) -> Self {
        if source.is_cancelled() {
            Self::Stopped { stage }
        } else {
            Self::Stage { stage: stage.to_owned(), source }
        }
    }

    /// What went wrong, without the stage's name.
    pub(crate) fn of_what(&self) -> String {
        match self {
            Self::Stage { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    /// Whether the user can mend it: a bad file, recipe or command, rather than a disk or a defect.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Cancelled { .. } | Self::Stopped { .. } => false,
            Self::Stage {
                source:
                    StageError::Json(_)
                    | StageError::Recipe(_)
                    | StageError::Data(DataError::Download { .. } | DataError::Tool { .. })
                    | StageError::Distill(DistillError::Diverged { .. }),
                ..
            } => false,
            Self::Locked { .. } | Self::Finished { .. } => true,
            Self::Folder { source, .. } => is_mendable(source),
            Self::Stage { .. } | Self::File(_) => first_io(self).is_none_or(is_mendable),
        }
    }

    /// Lines of advice to print below the error.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Locked { .. } => vec!["wait for it, or give this run another output_dir".into()],
            Self::Finished { .. } => vec![
                "--out DIR writes this run into another folder; --force replaces what stands there".into(),
            ],
            Self::Cancelled { .. } => vec!["the same command goes on from there".into()],
            Self::File(error) | Self::Stage { source: StageError::Data(error), .. } => {
                error.hint().into_iter().collect()
            }
            Self::Stage { source: StageError::Audit(AuditError::Prompts { .. }), .. } => vec![
                "shorter prompts, or other shifted ones: audit.distractors, audit.brittleness.shifts".into(),
                "`audit = false` in the recipe leaves the audit out".into(),
            ],
            Self::Stage { source: StageError::Audit(_), .. } => {
                vec!["`audit = false` in the recipe leaves the audit out".into()]
            }
            Self::Stopped { stage: "audit" } => {
                vec!["--out DIR keeps what an audit has found until it goes on".into()]
            }
            Self::Stage { .. } | Self::Folder { .. } | Self::Stopped { .. } => Vec::new(),
        }
    }
}

/// The first I/O error in the chain of sources.
fn first_io<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut current = Some(error);
    while let Some(one) = current {
        if let Some(found) = one.downcast_ref::<io::Error>() {
            return Some(found);
        }
        current = one.source();
    }
    None
}

/// Whether an I/O error speaks of what the user named rather than of a failing machine.
fn is_mendable(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
        UnexpectedEof,
    };
    matches!(
        error.kind(),
        AlreadyExists
            | InvalidData
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | UnexpectedEof
    )
}
