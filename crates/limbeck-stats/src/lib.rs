//! Paired tests, bootstrap intervals and calibration over plain numbers.
//!
//! Nothing here knows about networks: examples are units, and a score is a number a unit has.

mod bootstrap;
mod calibration;
mod carriers;
mod cluster;
mod clustered;
mod concentration;
mod crossed;
mod describe;
mod distribution;
mod error;
mod estimate;
mod finding;
mod holm;
mod kmeans;
pub mod number;
mod paired;
mod paired_proportions;
mod proportion;
mod rank;
mod resampled;
mod student;
mod studentised;

pub use bootstrap::{Bootstrap, SMALLEST_SAMPLE};
pub use calibration::{CALIBRATION_BINS, Reliability, expected_calibration_error};
pub use carriers::{Carriers, carriers};
pub use cluster::Cluster;
pub use clustered::{bounded_mean, clustered_difference, clustered_proportion};
pub use concentration::{SEVERITY_THRESHOLD, damage, gini, severity, worst_fraction_mean};
pub use crossed::{Crossed, CrossedResamples, crossed, crossed_bounded, crossed_from_resamples};
pub use describe::{mean, quantile, ranks};
pub use error::StatsError;
pub use estimate::Estimate;
pub use finding::{Direction, Finding};
pub use holm::holm;
pub use kmeans::{Clustering, KMeans};
pub use paired::{EXACT_SIGN_FLIPS, McNemar, SignFlip, mcnemar_exact, sign_flip_floor, sign_flip_test};
pub use paired_proportions::{FEWEST_DISCORDANT, PairedProportions, paired_proportions, tango};
pub use proportion::{clopper_pearson, proportion, rule_of_three, wilson};
pub use rank::{Correlation, spearman};
pub use student::{fieller, student_t};
pub use studentised::PERCENTILE_FROM;
