//! What is inside: component influence, alignment and brittleness of two networks.
//!
//! After Haskins & Adams 2025 (arXiv 2505.10822). [`sweep`] removes every head and MLP in turn, and everything
//! else is computed from what that does to the logit difference: [`components`] (influence), [`brittleness`],
//! [`similarity`] and [`alignment`] together with attention maps and outputs, and [`roles`]. [`describe_heads`] says what
//! heads do, [`circuit`] finds the components that do the task by themselves, [`edge_attribution`] estimates what every
//! edge between components carries. [`audit`] does it all.

mod answers;
mod attribution;
mod audit;
mod brittleness;
mod circuit;
mod compared;
mod config;
mod error;
mod heads;
mod influence;
mod inside;
mod intervals;
mod kept;
mod means;
mod patching;
mod pictures;
mod prepare;
mod readout;
mod record;
mod roles;
mod rows;
mod similarity;
mod spread;
mod sweep;
mod values;

pub use attribution::{AttributionMethod, EdgeScores, Interpolation, edge_attribution, greedy_edges};
pub use audit::{Audited, Pair, Subject, audit, audited};
pub use brittleness::{
    BrittlenessConfig, DisturbedNetwork, brittleness, disturb, kept_difference, mean_difference,
    severity_difference, slope, spare_capacity,
};
pub use circuit::{
    CircuitConfig, Edge, EdgeSet, Graph, NodeSet, PathPatch, Reader, Replacement, Writer, circuit,
    compare_circuits, patch_paths,
};
pub use config::{AblationChoice, AuditConfig};
pub use error::AuditError;
pub use heads::{HeadsConfig, describe_heads};
pub use influence::{components, groups, network_audit};
pub use patching::{Patcher, PatchingConfig};
pub use prepare::{KnownNetwork, check_task};
pub use readout::{DirectLogits, Lens};
pub use record::{Record, SweepRecord};
pub use roles::{RolesConfig, roles};
pub use similarity::{
    AlignmentInput, AlignmentParts, AttentionMaps, Comparison, Directions, Measurements, Observations,
    Pairing, SimilarityConfig, alignment, alignment_parts, similarity,
};
pub use sweep::{Ablation, Base, Effects, Plan, Sweep, Target, effects, sweep, sweeps};
