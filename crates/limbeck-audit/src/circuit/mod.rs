//! Circuits: the components that carry a task by themselves, and the edges between them.
//!
//! Node pruning and edges after Haskins & Adams 2025 (arXiv 2505.10822); faithfulness, completeness and minimality
//! after Wang et al. 2022 (arXiv 2211.00593), each beside random circuits of equal size.

mod comparison;
mod config;
mod edges;
mod find;
mod graph;
mod node_set;
mod path_patching;
mod pruning;
mod random;
mod run;
mod scores;
mod setting;
mod streams;

pub use comparison::compare_circuits;
pub use config::CircuitConfig;
pub use find::circuit;
pub use graph::{Edge, EdgeSet, Graph, Reader, Writer};
pub use node_set::NodeSet;
pub use path_patching::{PathPatch, patch_paths};
pub(crate) use run::Place;
pub use setting::Replacement;
pub(crate) use setting::{Writings, embedded, spread};
