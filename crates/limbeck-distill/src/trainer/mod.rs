//! The training loop: data order, micro-batches, gradients, updates, metrics, checkpoints.

pub mod config;
pub mod job;
pub mod network;
mod run;

pub use config::TrainingConfig;
pub use job::{TrainingJob, TrainingOutcome};
pub use network::Network;
pub use run::train;
