//! Training of one network: objectives, optimizer, trainer, checkpoints, and how a student begins.
//!
//! [`train`] is the one entrance. A student with a teacher, its baseline without one, and a language model
//! from scratch are the same call with other objectives.

pub mod checkpoint;
pub mod classifier;
pub mod error;
pub mod metrics;
pub mod objective;
pub mod optimizer;
pub mod soundness;
pub mod specialists;
pub mod students;
pub mod trainer;

pub use checkpoint::forget;
pub use error::DistillError;
pub use metrics::{forget_metrics, read_curve};
pub use objective::{Layers, ObjectiveConfig, check};
pub use optimizer::Schedule;
pub use students::{FreshStudent, LayerSelection, LayersStudent, ModelStudent, StudentConfig};
pub use trainer::{TrainingConfig, TrainingJob, TrainingOutcome, train};
