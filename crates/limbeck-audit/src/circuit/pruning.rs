//! Finds a circuit by pruning nodes, backward and forward in turn (Haskins & Adams 2025).
//!
//! A backward sweep goes from the last block to the first, the MLP before the heads; a forward sweep from the first
//! to the last, heads before the MLP. A node goes iff `100 - kept < T_n`, where `kept` is the
//! score of the nodes kept so far without it, in the original, or by default the share of what the components add to it
//! (normalised faithfulness): a network whose answers hardly need its components keeps the score without any. Sweeps alternate until one changes nothing: then no node can go, in whatever order.
//! What comes before a node is computed once for all nodes of its layer: backward, nothing before the node has changed
//! yet in this sweep; forward, nothing before it will change any more.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;

use super::NodeSet;
use super::run::{Entry, Place};
use super::setting::Setting;
use crate::AuditError;
use crate::kept::kept_part;

/// What pruning left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pruned {
    /// The circuit.
    pub(crate) kept: NodeSet,
    /// Sweeps made.
    pub(crate) sweeps: usize,
    /// `LD` per prompt of the circuit without each of its nodes, in the order of [`NodeSet::iter`].
    pub(crate) without: Vec<Vec<f64>>,
}

/// Prunes `start` as long as nodes can go that leave `100 - kept` below `threshold`.
pub(crate) fn prune(
    setting: &Setting,
    start: NodeSet,
    threshold: f64,
    label: &str,
    progress: &dyn Progress,
) -> Result<Pruned, AuditError> {
    let may_go = |differences: &[f64]| 100.0 - setting.kept(differences) < threshold;
    let mut kept = start;
    let mut sweeps = 0;
    loop {
        sweeps += 1;
        let before = kept.len();
        let label = format!("{label}, sweep {sweeps}");
        progress.start(&label, before as u64, "nodes");
        let mut sweep = Sweep { setting, kept, without: vec![], label: &label, progress, may_go: &may_go };
        let done = if sweeps % 2 == 1 { sweep.backward() } else { sweep.forward() };
        progress.finish();
        done?;
        if sweep.kept.len() == before {
            let without = sweep.in_order();
            return Ok(Pruned { kept: sweep.kept, sweeps, without });
        }
        kept = sweep.kept;
    }
}

/// `LD` per prompt of a circuit without each of its nodes, in the order of [`NodeSet::iter`].
pub(crate) fn without_each(
    setting: &Setting,
    kept: &NodeSet,
    label: &str,
    progress: &dyn Progress,
) -> Result<Vec<Vec<f64>>, AuditError> {
    progress.start(label, kept.len() as u64, "nodes");
    let mut sweep =
        Sweep { setting, kept: kept.clone(), without: vec![], label, progress, may_go: &|_| false };
    let done = sweep.forward();
    progress.finish();
    done?;
    Ok(sweep.in_order())
}

/// One sweep.
struct Sweep<'a> {
    setting: &'a Setting<'a>,
    kept: NodeSet,
    /// Nodes that stayed, with `LD` per prompt without them.
    without: Vec<(usize, Vec<f64>)>,
    label: &'a str,
    progress: &'a dyn Progress,
    may_go: &'a dyn Fn(&[f64]) -> bool,
}

impl Sweep<'_> {
    fn backward(&mut self) -> Result<(), AuditError> {
        let decoder = self.setting.decoder;
        let (mut entries, mut mids) = (vec![vec![]; self.kept.layers()], vec![vec![]; self.kept.layers()]);
        for batch in &self.setting.batches {
            let mut resid = batch.embed.clone();
            for layer in 0..self.kept.layers() {
                let entry = batch.enter(decoder, layer, resid, &self.kept);
                let mid = batch.mid(decoder, layer, &entry, &self.kept);
                resid = batch.post(decoder, layer, mid.clone(), &self.kept);
                entries[layer].push(entry);
                mids[layer].push(mid);
            }
        }
        for layer in (0..self.kept.layers()).rev() {
            self.try_mlp(layer, &mids[layer])?;
            self.try_heads(layer, &entries[layer])?;
        }
        Ok(())
    }

    fn forward(&mut self) -> Result<(), AuditError> {
        let (decoder, batches) = (self.setting.decoder, &self.setting.batches);
        let mut streams: Vec<Tensor<3>> = batches.iter().map(|batch| batch.embed.clone()).collect();
        for layer in 0..self.kept.layers() {
            let entries: Vec<Entry> = (batches.iter().zip(streams))
                .map(|(batch, pre)| batch.enter(decoder, layer, pre, &self.kept))
                .collect();
            self.try_heads(layer, &entries)?;
            let mids: Vec<Tensor<3>> = (batches.iter().zip(&entries))
                .map(|(batch, entry)| batch.mid(decoder, layer, entry, &self.kept))
                .collect();
            self.try_mlp(layer, &mids)?;
            streams = (batches.iter().zip(mids))
                .map(|(batch, mid)| batch.post(decoder, layer, mid, &self.kept))
                .collect();
        }
        Ok(())
    }

    fn try_mlp(&mut self, layer: usize, mids: &[Tensor<3>]) -> Result<(), AuditError> {
        self.try_node(self.kept.mlp(layer), |setting, rest| {
            setting.over_batches(|index, batch| {
                let resid = mids[index].clone() + batch.away.mlp[layer].clone();
                batch.finish(setting.decoder, rest, Place::Pre(layer + 1), resid)
            })
        })
    }

    fn try_heads(&mut self, layer: usize, entries: &[Entry]) -> Result<(), AuditError> {
        for head in 0..self.kept.heads() {
            self.try_node(self.kept.head(layer, head), |setting, rest| {
                setting.over_batches(|index, batch| {
                    let mid = batch.mid(setting.decoder, layer, &entries[index], rest);
                    batch.finish(setting.decoder, rest, Place::Mid(layer), mid)
                })
            })?;
        }
        Ok(())
    }

    /// What was measured without each node that stayed, by node.
    fn in_order(&mut self) -> Vec<Vec<f64>> {
        self.without.sort_by_key(|(node, _)| *node);
        std::mem::take(&mut self.without).into_iter().map(|(_, differences)| differences).collect()
    }

    /// Removes a kept node if it may go; `measure` gives `LD` of the nodes that would be left.
    fn try_node(
        &mut self,
        node: usize,
        measure: impl FnOnce(&Setting, &NodeSet) -> Result<Vec<f64>, AuditError>,
    ) -> Result<(), AuditError> {
        if !self.kept.contains(node) {
            return Ok(());
        }
        let rest = self.kept.without(node);
        let part = format!("{}, node {node}", self.label);
        let differences = kept_part(&part, 1, self.progress, || measure(self.setting, &rest))?;
        if (self.may_go)(&differences) {
            self.kept = rest;
        } else {
            self.without.push((node, differences));
        }
        Ok(())
    }
}
