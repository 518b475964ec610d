//! Edge attribution patching: what every edge of a network carries, estimated from gradients.
//!
//! Syed et al. 2023 (arXiv 2310.10348): the effect of putting the corrupted prompt's value on an edge is, to first
//! order, `(corrupted - clean value of the writer) . gradient of LD at the reader's input`. Two passes forward and one
//! back give the scores of all edges. Hanna et al. 2024 (arXiv 2403.17806) take the gradient at several points between
//! the corrupted and the clean prompt.

mod gradients;
mod scores;
mod selection;

pub use scores::{AttributionMethod, EdgeScores, Interpolation, edge_attribution};
pub use selection::greedy_edges;
