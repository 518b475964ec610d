//! What can go wrong while a network is trained.

use std::path::PathBuf;

use limbeck_data::DataError;
use limbeck_kernels::KernelError;
use limbeck_model::ModelError;
use limbeck_teach::TeachError;
use thiserror::Error;

/// An error of this crate. Each variant carries the facts a reader needs to mend it; those of other crates are boxed, so
/// that a result stays small.
#[derive(Debug, Error)]
pub enum DistillError {
    /// The list of objectives is empty.
    #[error("there is no objective: training needs at least one")]
    NoObjective,
    /// The machine gives no threads.
    #[error(
        "the machine gives no {slices} pools of {threads} threads for `slices` parts of a step: {reason}"
    )]
    Threads {
        /// Pools asked for.
        slices: usize,
        /// Threads of each.
        threads: usize,
        /// What it said.
        reason: String,
    },
    /// An objective has an impossible setting.
    #[error("objective `{objective}`: {key} = {found}, which should be {right}")]
    Setting {
        /// Name of the objective.
        objective: String,
        /// The key of the recipe.
        key: &'static str,
        /// What the recipe says.
        found: String,
        /// What would be right.
        right: &'static str,
    },
    /// An objective asks for something the teacher cannot give.
    #[error("objective `{objective}` needs {needs}, but {gives}")]
    Capability {
        /// Name of the objective.
        objective: String,
        /// What it needs of a teacher.
        needs: String,
        /// What the teacher gives.
        gives: String,
    },
    /// A layer pair of a hidden-state objective does not exist.
    #[error(
        "objective `{objective}` pairs student layer {student} with teacher layer {teacher}, \
         but the student has {student_layers} layers and the teacher {teacher_layers} (counted from 0)"
    )]
    LayerPair {
        /// Name of the objective.
        objective: String,
        /// The student's layer in the pair.
        student: usize,
        /// The teacher's layer in the pair.
        teacher: usize,
        /// Blocks of the student.
        student_layers: usize,
        /// Blocks of the teacher.
        teacher_layers: usize,
    },
    /// A key of the training section has an impossible value.
    #[error("training: {key} = {found}, which should be {right}")]
    Config {
        /// The key.
        key: &'static str,
        /// What the recipe says.
        found: String,
        /// What would be right.
        right: String,
    },
    /// The student's initialisation cannot be done as asked.
    #[error("student: {reason}")]
    Student {
        /// What is wrong, with figures.
        reason: String,
    },
    /// The examples cannot be trained on.
    #[error("training data: {reason}")]
    Data {
        /// What is wrong, with figures.
        reason: String,
    },
    /// A loss or a gradient left the finite numbers.
    #[error(
        "training of `{network}` diverged at step {step}: {what} is {value}; a lower learning_rate or a \
         smaller clip_norm usually helps"
    )]
    Diverged {
        /// The network in training.
        network: String,
        /// The optimizer step.
        step: u64,
        /// The term or the gradient.
        what: String,
        /// The value found.
        value: f64,
    },
    /// The teacher's answers left the finite numbers.
    #[error(
        "the teacher's {what} in step {step} of training `{network}` are not finite numbers: no setting of the student mends \
         that; look at the teacher's weights, which may be damaged or overflow in 32 bits"
    )]
    TeacherNotFinite {
        /// The network in training.
        network: String,
        /// The optimizer step.
        step: u64,
        /// Which of its answers.
        what: String,
    },
    /// A checkpoint belongs to another training.
    #[error(
        "{} was written by another training: its {what} was {found}, now it is {expected}; remove the \
         folder to begin again", path.display()
    )]
    CheckpointMismatch {
        /// The checkpoint.
        path: PathBuf,
        /// Which part of the fingerprint differs.
        what: &'static str,
        /// The checkpoint's.
        found: String,
        /// This training's.
        expected: String,
    },
    /// A checkpoint cannot be read.
    #[error("checkpoint {}: {reason}", path.display())]
    CheckpointDamaged {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of metrics is not as this program writes it.
    #[error("{}, line {line}: {reason}", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Examples or a file could not be read or written.
    #[error(transparent)]
    Storage(Box<DataError>),
    /// The user asked to stop; a checkpoint was written.
    #[error("training of `{network}` was stopped at step {step}; the same command goes on from there")]
    Cancelled {
        /// The network in training.
        network: String,
        /// Steps done and saved.
        step: u64,
    },
    /// The teacher failed.
    #[error(transparent)]
    Teach(Box<TeachError>),
    /// A model failed.
    #[error(transparent)]
    Model(Box<ModelError>),
    /// A fused operation refused its input.
    #[error(transparent)]
    Kernel(Box<KernelError>),
}

impl DistillError {
    /// Wraps an I/O error with what was attempted on which path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<DataError> for DistillError {
    fn from(error: DataError) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<TeachError> for DistillError {
    fn from(error: TeachError) -> Self {
        Self::Teach(Box::new(error))
    }
}

impl From<ModelError> for DistillError {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<KernelError> for DistillError {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}
