//! How hard a network leans on single components, and what it still does when more and more of it fails.
//!
//! [`figures`] sums up the single removals of a sweep. [`curves`] disturbs a network by [`noise`] of growing size
//! and by the [`removal`] of more and more components at once; both are [`disturbance`]s: taps over a batch that
//! holds the prompts several times, once for each size. [`spare`] asks how much of a
//! removed component's effect others take over, [`shifts`] repeats the removals on other prompts,
//! [`seeds`] asks whether what two networks differ by holds over several trainings, and [`whole`] puts everything together
//! for an audit.

mod config;
mod curves;
mod disturbance;
mod figures;
mod noise;
mod order;
mod removal;
mod seeds;
mod shifts;
mod spare;
mod whole;

pub use config::BrittlenessConfig;
pub use curves::{DisturbedNetwork, disturb, kept_difference};
pub use figures::{brittleness, mean_difference, severity_difference, slope};
pub(crate) use shifts::{ShiftedSweeps, shifted_brittleness};
pub use spare::spare_capacity;
pub(crate) use whole::{Brittle, compare};
