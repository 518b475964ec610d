//! Edges of a circuit by path ablation: each edge removed by itself, everything after the reader following.
//!
//! The reader hears what the removed writer would say in its stead; whatever else reads that writer still hears the
//! writer itself. What comes before the reader is computed once for all edges, and for the heads of one block one
//! attention with changed queries (or keys, or values) serves every head, since no head hears another's.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_model::HeadInputs;
use limbeck_results::HeadInput;

use super::NodeSet;
use super::graph::{Edge, Graph, Reader, Writer};
use super::run::{Entry, Place};
use super::setting::{Batch, Setting};
use crate::AuditError;
use crate::kept::kept_part;

/// `LD` per prompt of the circuit without each of `edges`, in their order. All edges of the circuit but that one are
/// there.
pub(crate) fn without_each_edge(
    setting: &Setting,
    kept: &NodeSet,
    edges: &[Edge],
    label: &str,
    progress: &dyn Progress,
) -> Result<Vec<Vec<f64>>, AuditError> {
    progress.start(label, (edges.len() * setting.batches.len()) as u64, "edges");
    let mut all = vec![vec![]; edges.len()];
    let measured = setting.batches.iter().enumerate().try_for_each(|(number, batch)| {
        let trace = Trace::new(setting, batch, kept);
        let mut changed: BTreeMap<(usize, HeadInput, Writer), Tensor<4>> = BTreeMap::new();
        for (place, (edge, all)) in edges.iter().zip(&mut all).enumerate() {
            let part = format!("{label}, batch {}, edge {place}", number + 1);
            all.extend(kept_part(&part, 1, progress, || trace.without(edge, &mut changed))?);
        }
        Ok(())
    });
    progress.finish();
    measured.map(|()| all)
}

/// A pass through the circuit with all its edges.
struct Trace<'a> {
    setting: &'a Setting<'a>,
    batch: &'a Batch,
    kept: &'a NodeSet,
    entries: Vec<Entry>,
    mids: Vec<Tensor<3>>,
    end: Tensor<3>,
    /// What each kept writer says beyond what it would if removed, `[batch, seq, d_model]`, by its number.
    beyond: BTreeMap<Writer, Tensor<3>>,
}

impl<'a> Trace<'a> {
    fn new(setting: &'a Setting<'a>, batch: &'a Batch, kept: &'a NodeSet) -> Trace<'a> {
        let decoder = setting.decoder;
        let (mut entries, mut mids) = (vec![], vec![]);
        let mut beyond = BTreeMap::new();
        beyond.insert(Writer::Embed, batch.embed.clone() - batch.away.embed.clone());
        let mut resid = batch.embed.clone();
        for layer in 0..kept.layers() {
            let entry = batch.enter(decoder, layer, resid, kept);
            if let Some(z) = &entry.1 {
                let outputs = decoder.head_outputs(layer, z.clone() - batch.away.z[layer].clone());
                let heads = (0..kept.heads()).map(|head| (head, kept.head(layer, head)));
                for (head, node) in heads.filter(|(_, node)| kept.contains(*node)) {
                    let output = outputs.clone().narrow(2, head, 1).squeeze_dim(2);
                    beyond.insert(Writer::Component(node), output);
                }
            }
            let mid = batch.mid(decoder, layer, &entry, kept);
            resid = batch.post(decoder, layer, mid.clone(), kept);
            if kept.contains(kept.mlp(layer)) {
                let output = resid.clone() - mid.clone() - batch.away.mlp[layer].clone();
                beyond.insert(Writer::Component(kept.mlp(layer)), output);
            }
            entries.push(entry);
            mids.push(mid);
        }
        Trace { setting, batch, kept, entries, mids, end: resid, beyond }
    }

    fn without(
        &self,
        edge: &Edge,
        changed: &mut BTreeMap<(usize, HeadInput, Writer), Tensor<4>>,
    ) -> Result<Vec<f64>, AuditError> {
        let (decoder, batch) = (self.setting.decoder, self.batch);
        // A writer outside the circuit says nothing beyond: the edge changes nothing.
        let minus = |stream: &Tensor<3>| match self.beyond.get(&edge.from) {
            Some(beyond) => stream.clone() - beyond.clone(),
            None => stream.clone(),
        };
        match edge.to {
            Reader::Logits => {
                batch.answers.differences_at_last(decoder, batch.answers.at_last(minus(&self.end)))
            }
            Reader::Mlp { layer } => {
                let mid = &self.mids[layer];
                let out = match self.kept.contains(self.kept.mlp(layer)) {
                    true => decoder.mlp_out(layer, minus(mid)),
                    false => batch.away.mlp[layer].clone(),
                };
                batch.finish(decoder, self.kept, Place::Pre(layer + 1), mid.clone() + out)
            }
            Reader::Head { layer, input, .. } => {
                let (pre, z) = &self.entries[layer];
                let Some(z) = z else {
                    return batch.finish(decoder, self.kept, Place::Pre(layer), pre.clone());
                };
                if changed.keys().next().is_some_and(|(at, ..)| *at != layer) {
                    changed.clear();
                }
                let other = changed.entry((layer, input, edge.from)).or_insert_with(|| {
                    let stream = |of| {
                        let stream = if of == input { minus(pre) } else { pre.clone() };
                        stream.unsqueeze_dim::<4>(2)
                    };
                    let inputs = HeadInputs {
                        q: stream(HeadInput::Query),
                        k: stream(HeadInput::Key),
                        v: stream(HeadInput::Value),
                    };
                    decoder.head_values_of(layer, inputs)
                });
                let readers = NodeSet::of(self.kept, Graph::of(decoder.config()).components(edge.to));
                let mask = readers.mask(layer, &z.device());
                let z = z.clone() + (other.clone() - z.clone()) * mask;
                let mid = batch.mid(decoder, layer, &(pre.clone(), Some(z)), self.kept);
                batch.finish(decoder, self.kept, Place::Mid(layer), mid)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use limbeck_data::progress::Silent;
    use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
    use limbeck_model::{Decoder, DecoderConfig, Parameter, Sizes};

    use super::*;
    use crate::circuit::EdgeSet;
    use crate::circuit::pruning::{prune, without_each};
    use crate::circuit::setting::Replacement;

    fn network(grouped: bool) -> Decoder {
        let sizes = Sizes {
            vocab_size: 11,
            d_model: 16,
            n_layers: 3,
            n_heads: 4,
            n_kv_heads: 2,
            d_mlp: 12,
            max_positions: 8,
        };
        let config = if grouped { DecoderConfig::llama(sizes) } else { DecoderConfig::gpt2(sizes) };
        let louder = |_: &str, parameter: Parameter| {
            let values = parameter.to_vec().iter().map(|value| value * 6.0).collect();
            Parameter::from_vec(&parameter.shape(), values, &parameter.device())
        };
        Decoder::init(&config, 1, &Device::flex()).unwrap().map(&mut { louder })
    }

    /// Two groups of unequal length.
    fn task() -> ContrastTask {
        let prompt = |clean: &[u32], corrupted: &[u32]| ContrastPrompt {
            clean: clean.to_vec(),
            corrupted: corrupted.to_vec(),
            right: vec![3, 4],
            wrong: vec![7],
            text: String::new(),
            corrupted_text: String::new(),
        };
        let long =
            vec![prompt(&[1, 2, 3, 4, 5], &[1, 9, 8, 4, 5]), prompt(&[5, 2, 10, 4, 5], &[5, 7, 3, 4, 5])];
        let short = vec![prompt(&[6, 1, 8], &[6, 0, 8]), prompt(&[6, 2, 9], &[6, 10, 9])];
        ContrastTask {
            name: "test".into(),
            groups: vec![ContrastGroup::new("long", long), ContrastGroup::new("short", short)],
            left_out: vec![],
        }
    }

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
    }

    /// Every short cut against passes in which each reader has a stream of its own.
    #[test]
    fn short_cuts_equal_whole_passes() {
        for grouped in [false, true] {
            let decoder = network(grouped);
            let graph = Graph::of(decoder.config());
            for replacement in [Replacement::Mean, Replacement::Corrupted] {
                let setting = Setting::new(&decoder, &task(), replacement, 10, 3).unwrap();
                let kept = NodeSet::of(&setting.whole(), [0, 2, 4, 5, 7, 8, 9, 10, 13]);
                let possible = graph.edges(&kept);
                let all = EdgeSet::new(graph, possible.iter().copied());
                close(
                    &setting.differences(&kept).unwrap(),
                    &setting.differences_of_edges(&kept, &all).unwrap(),
                );
                let found = without_each_edge(&setting, &kept, &possible, "test", &Silent).unwrap();
                for (edge, found) in possible.iter().zip(found) {
                    let mut rest = all.clone();
                    rest.set(*edge, false);
                    close(&found, &setting.differences_of_edges(&kept, &rest).unwrap());
                }
                let found = without_each(&setting, &kept, "test", &Silent).unwrap();
                for (node, found) in kept.iter().zip(found) {
                    close(&found, &setting.differences(&kept.without(node)).unwrap());
                }
            }
        }
    }

    #[test]
    fn pruning_what_was_pruned_changes_nothing() {
        for grouped in [false, true] {
            let decoder = network(grouped);
            let setting = Setting::new(&decoder, &task(), Replacement::Mean, 10, 3).unwrap();
            for threshold in [5.0, 20.0, 60.0] {
                let once = prune(&setting, setting.whole(), threshold, "test", &Silent).unwrap();
                let twice = prune(&setting, once.kept.clone(), threshold, "test", &Silent).unwrap();
                assert_eq!(once.kept, twice.kept);
                assert_eq!(twice.sweeps, 1);
                for (node, without) in once.kept.iter().zip(&once.without) {
                    close(without, &setting.differences(&once.kept.without(node)).unwrap());
                }
            }
        }
    }
}
