//! Paired tests, bootstrap intervals and calibration over plain numbers.
//!
//! Nothing here knows about networks: examples are units, and a score is a number a unit has.

mod bootstrap;
mod calibration;
mod cluster;
mod concentration;
mod describe;
mod error;
mod estimate;
mod finding;
mod holm;
mod kmeans;
pub mod number;
mod paired;
mod rank;

pub use bootstrap::Bootstrap;
pub use calibration::{CALIBRATION_BINS, Reliability, expected_calibration_error};
pub use cluster::Cluster;
pub use concentration::{SEVERITY_THRESHOLD, damage, gini, severity, worst_fraction_mean};
pub use describe::{mean, quantile, ranks};
pub use error::StatsError;
pub use estimate::Estimate;
pub use finding::{Direction, Finding};
pub use holm::holm;
pub use kmeans::{Clustering, KMeans};
pub use paired::{EXACT_SIGN_FLIPS, McNemar, SignFlip, mcnemar_exact, sign_flip_test};
pub use rank::{Correlation, spearman};
