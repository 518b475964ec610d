//! Path patching: what one component says, replaced for one reader only.
//!
//! After Goldowsky-Dill et al. 2023 (arXiv 2304.05969) with the direct paths of Conmy et al. 2023
//! (arXiv 2304.14997): the sender's contribution to the receiver's residual stream is replaced, everything between them
//! stays as it was, and everything after the receiver follows.

use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;

use super::graph::{Edge, EdgeSet, Graph, Reader, Writer};
use super::setting::{Replacement, Setting};
use crate::AuditError;

/// Logit differences before and after a path was patched, one per prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPatch {
    /// `LD` of the whole network.
    pub full: Vec<f64>,
    /// `LD` with the path patched.
    pub patched: Vec<f64>,
}

impl PathPatch {
    /// `mean(LD_patched - LD_full)` over the prompts, in logits.
    pub fn effect(&self) -> f64 {
        let differences = self.patched.iter().zip(&self.full).map(|(patched, full)| patched - full);
        differences.sum::<f64>() / self.full.len().max(1) as f64
    }
}

/// Replaces what `from` says in the residual streams that `to` read, on all prompts of `task`.
///
/// `to` may be several readers, such as all three inputs of a head; the paths to all of them are patched at once.
/// Readers before `from` hear nothing of it and change nothing.
///
/// # Errors
/// [`AuditError::NoComponent`] for a writer or reader that the network does not have, [`AuditError::Vocabulary`] and
/// [`AuditError::Length`] for prompts that it cannot read.
pub fn patch_paths(
    decoder: &Decoder,
    task: &ContrastTask,
    from: Writer,
    to: &[Reader],
    replacement: Replacement,
    batch_size: usize,
) -> Result<PathPatch, AuditError> {
    let graph = Graph::of(decoder.config());
    let readers = graph.readers();
    if graph.writer_index(from) >= graph.writers() || !to.iter().all(|reader| readers.contains(reader)) {
        return Err(AuditError::NoComponent { layers: graph.layers, heads: graph.heads });
    }
    let setting = Setting::new(decoder, task, replacement, usize::MAX, batch_size.max(1))?;
    let mut edges = EdgeSet::whole(graph);
    to.iter().for_each(|&to| edges.set(Edge { from, to }, false));
    let patched = setting.differences_of_edges(&setting.whole(), &edges)?;
    Ok(PathPatch { full: setting.full, patched })
}
