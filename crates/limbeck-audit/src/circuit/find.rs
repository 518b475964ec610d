//! Finds the circuit of a network and measures it.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;
use limbeck_results::{Circuit, CircuitAtThreshold, CircuitEdge, CircuitEdges, CircuitMethod, Estimate};
use limbeck_stats::Bootstrap;

use super::edges::without_each_edge;
use super::graph::{Edge, EdgeSet, Graph, Reader, Writer};
use super::pruning::{prune, without_each};
use super::random::random_circuits;
use super::scores::{above_nothing, scores};
use super::setting::{Replacement, Setting};
use super::{CircuitConfig, NodeSet};
use crate::AuditError;
use crate::attribution::{AttributionMethod, EdgeScores, edge_attribution, greedy_edges};

/// Prompts per pass with gradients: every reader's stream is kept for the way back.
const GRADIENT_BATCH: usize = 4;

/// The circuit of `decoder` on `task`; `None`, with a note, for a network that does not prefer the right answers, or
/// whose components add nothing to its preference: there is no score to keep.
///
/// `bootstrap` gives intervals and the seed of random circuits, `batch_size` the prompts per pass.
///
/// # Errors
/// [`AuditError::Config`] for values that make no circuit, [`AuditError::Vocabulary`] and [`AuditError::Length`] for
/// prompts that the network cannot read, [`AuditError::Stats`] for a resample without any logit difference,
/// [`AuditError::Cancelled`] on request.
pub fn circuit(
    decoder: &Decoder,
    task: &ContrastTask,
    config: &CircuitConfig,
    bootstrap: &Bootstrap,
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<Option<Circuit>, AuditError> {
    config.check()?;
    let mut setting = Setting::new(decoder, task, Replacement::Mean, config.prompts, batch_size.max(1))?;
    let mean = setting.full.iter().sum::<f64>() / setting.full.len().max(1) as f64;
    if mean <= 0.0 || !mean.is_finite() {
        progress.note(&format!("{label}: no circuit sought, as its mean logit difference is {mean:.3}"));
        return Ok(None);
    }
    if config.normalised {
        setting = setting.judged_above_nothing()?;
        let added = setting.to_keep() / setting.full.len() as f64;
        if added <= 0.0 || !added.is_finite() {
            progress.note(&format!(
                "{label}: no circuit sought, as its components add nothing to its logit difference ({added:.3}): it is as high with \
                 all of them ablated"
            ));
            return Ok(None);
        }
    }
    Search { setting, task, config, bootstrap, mean, label, progress }.find().map(Some)
}

/// What finding a circuit needs.
struct Search<'a> {
    setting: Setting<'a>,
    task: &'a ContrastTask,
    config: &'a CircuitConfig,
    bootstrap: &'a Bootstrap,
    /// Mean `LD` of the whole network.
    mean: f64,
    label: &'a str,
    progress: &'a dyn Progress,
}

/// Nodes, what the circuit does without each, and edges.
struct Found {
    kept: NodeSet,
    sweeps: usize,
    without: Vec<Vec<f64>>,
    edges: Option<CircuitEdges>,
}

impl Search<'_> {
    fn find(&self) -> Result<Circuit, AuditError> {
        let found = match self.config.method {
            CircuitMethod::Pruning => self.by_pruning()?,
            CircuitMethod::Eap | CircuitMethod::EapIg => self.by_attribution()?,
        };
        let (scores, nodes) = scores(&self.setting, &found.kept, &found.without, self.bootstrap)?;
        let random = random_circuits(
            &self.setting,
            &found.kept,
            &scores,
            self.config.random,
            self.bootstrap.seed,
            &format!("{}: random circuits", self.label),
            self.progress,
        )?;
        let (heads, mlps) = found.kept.counts();
        Ok(Circuit {
            method: self.config.method,
            prompts: self.setting.full.len(),
            threshold: self.config.threshold,
            normalised: self.config.normalised,
            sweeps: found.sweeps,
            heads,
            mlps,
            share: found.kept.len() as f64 / found.kept.components() as f64,
            nodes,
            edges: found.edges,
            scores,
            random,
            thresholds: self.at_thresholds(&found.kept)?,
        })
    }

    fn by_pruning(&self) -> Result<Found, AuditError> {
        let label = format!("{}: circuit", self.label);
        let pruned =
            prune(&self.setting, self.setting.whole(), self.config.threshold, &label, self.progress)?;
        let edges = self.edges_by_ablation(&pruned.kept)?;
        Ok(Found { kept: pruned.kept, sweeps: pruned.sweeps, without: pruned.without, edges })
    }

    /// Edges whose removal alone brings the circuit's score below the bound.
    fn edges_by_ablation(&self, kept: &NodeSet) -> Result<Option<CircuitEdges>, AuditError> {
        if self.config.edges == 0 {
            return Ok(None);
        }
        let graph = Graph::of(self.setting.decoder.config());
        let possible = graph.edges(kept);
        let tested = match possible.len() <= self.config.edges {
            true => possible.clone(),
            false => {
                let scores = self.attribution(AttributionMethod::Clean)?;
                let mut ranked = possible.clone();
                ranked.sort_by(|a, b| scores.get(*b).abs().total_cmp(&scores.get(*a).abs()));
                ranked.truncate(self.config.edges);
                ranked.sort_by_key(|edge| (graph.reader_index(edge.to), graph.writer_index(edge.from)));
                ranked
            }
        };
        let label = format!("{}: edges", self.label);
        let without = without_each_edge(&self.setting, kept, &tested, &label, self.progress)?;
        let whole = self.setting.score(&self.setting.differences(kept)?);
        let mut present = EdgeSet::new(graph, possible.iter().copied());
        let mut edges = vec![];
        for (&edge, without) in tested.iter().zip(&without) {
            if self.setting.kept(without) < self.config.edge_score {
                edges.push(described(graph, kept, edge, whole - self.setting.score(without), true));
            } else {
                present.set(edge, false);
            }
        }
        Ok(Some(CircuitEdges {
            possible: possible.len(),
            tested: tested.len(),
            keep_below: self.config.edge_score,
            score: self.score_of_edges(kept, &present)?,
            edges,
        }))
    }

    fn by_attribution(&self) -> Result<Found, AuditError> {
        let graph = Graph::of(self.setting.decoder.config());
        let scores = self.attribution(match self.config.method {
            CircuitMethod::EapIg => {
                AttributionMethod::Integrated { over: self.config.interpolate, steps: self.config.steps }
            }
            CircuitMethod::Pruning | CircuitMethod::Eap => AttributionMethod::Clean,
        })?;
        let chosen = match self.config.top_edges {
            0 => self.fewest_edges(graph, &scores)?,
            count => greedy_edges(&scores, count),
        };
        let kept = self.nodes_of(&chosen);
        let label = format!("{}: circuit without each node", self.label);
        let without = without_each(&self.setting, &kept, &label, self.progress)?;
        let present = EdgeSet::new(graph, chosen.iter().copied());
        let edge = |&edge: &Edge| described(graph, &kept, edge, -100.0 * scores.get(edge) / self.mean, false);
        let edges = CircuitEdges {
            possible: graph.edges(&kept).len(),
            tested: 0,
            keep_below: 100.0 - self.config.threshold,
            score: self.score_of_edges(&kept, &present)?,
            edges: chosen.iter().map(edge).collect(),
        };
        Ok(Found { kept, sweeps: 0, without, edges: Some(edges) })
    }

    fn attribution(&self, method: AttributionMethod) -> Result<EdgeScores, AuditError> {
        edge_attribution(
            self.setting.decoder,
            self.task,
            method,
            self.config.prompts,
            GRADIENT_BATCH,
            &format!("{}: edge attribution", self.label),
            self.progress,
        )
    }

    fn nodes_of(&self, edges: &[Edge]) -> NodeSet {
        let writers = edges.iter().filter_map(|edge| match edge.from {
            Writer::Embed => None,
            Writer::Component(node) => Some(node),
        });
        NodeSet::of(&self.setting.whole().complement(), writers)
    }

    /// As few edges as keep the score above `100 - threshold`: doubled until they do, then halved in between.
    fn fewest_edges(&self, graph: Graph, scores: &EdgeScores) -> Result<Vec<Edge>, AuditError> {
        let enough = |count: usize| -> Result<bool, AuditError> {
            let edges = greedy_edges(scores, count);
            let (kept, present) = (self.nodes_of(&edges), EdgeSet::new(graph, edges));
            let differences = self.setting.differences_of_edges(&kept, &present)?;
            Ok(100.0 - self.setting.kept(&differences) < self.config.threshold)
        };
        let all = graph.edges(&self.setting.whole()).len();
        let mut high = 1;
        while high < all && !enough(high)? {
            high = (2 * high).min(all);
        }
        let mut low = high / 2;
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if enough(middle)? {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(greedy_edges(scores, high))
    }

    fn score_of_edges(&self, kept: &NodeSet, edges: &EdgeSet) -> Result<Estimate, AuditError> {
        let differences = self.setting.differences_of_edges(kept, edges)?;
        self.percent(&differences)
    }

    fn percent(&self, differences: &[f64]) -> Result<Estimate, AuditError> {
        let percent: Vec<f64> = differences.iter().map(|difference| 100.0 * difference).collect();
        Ok(self.bootstrap.ratio_of_means(&percent, &self.setting.full)?)
    }

    /// Circuits at the other thresholds, and how much they share with each other.
    fn at_thresholds(&self, chosen: &NodeSet) -> Result<Vec<CircuitAtThreshold>, AuditError> {
        let whole = self.setting.whole();
        if self.config.thresholds.is_empty()
            || self.config.method != CircuitMethod::Pruning
            || whole.components() > self.config.thresholds_up_to
        {
            return Ok(vec![]);
        }
        let mut thresholds = self.config.thresholds.clone();
        thresholds.push(self.config.threshold);
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        let circuits = thresholds.iter().map(|&threshold| {
            if threshold == self.config.threshold {
                return Ok(chosen.clone());
            }
            let label = format!("{}: circuit at {threshold}", self.label);
            Ok(prune(&self.setting, whole.clone(), threshold, &label, self.progress)?.kept)
        });
        let circuits = circuits.collect::<Result<Vec<NodeSet>, AuditError>>()?;
        let nothing = self.setting.differences(&NodeSet::empty(whole.layers(), whole.heads()))?;
        let described = thresholds.iter().zip(&circuits).map(|(&threshold, kept)| {
            let (heads, mlps) = kept.counts();
            let differences = self.setting.differences(kept)?;
            Ok(CircuitAtThreshold {
                threshold,
                heads,
                mlps,
                circuit: self.percent(&differences)?,
                faithfulness_normalised: above_nothing(
                    &self.setting.full,
                    &differences,
                    &nothing,
                    self.bootstrap,
                )?,
                nodes: kept.labels(),
                jaccard: circuits.iter().map(|other| kept.jaccard(other)).collect(),
            })
        });
        described.collect()
    }
}

/// An edge by the labels of its ends.
fn described(graph: Graph, kept: &NodeSet, edge: Edge, drop: f64, measured: bool) -> CircuitEdge {
    let readers: Vec<usize> =
        graph.components(edge.to).into_iter().filter(|&node| kept.contains(node)).collect();
    let first = graph.components(edge.to).first().map(|&node| kept.label(node));
    CircuitEdge {
        from: match edge.from {
            Writer::Embed => "embed".into(),
            Writer::Component(node) => kept.label(node),
        },
        to: first.unwrap_or_else(|| "logits".into()),
        input: match edge.to {
            Reader::Head { input, .. } => Some(input),
            Reader::Mlp { .. } | Reader::Logits => None,
        },
        readers: match edge.to {
            Reader::Logits => vec!["logits".into()],
            _ => readers.into_iter().map(|node| kept.label(node)).collect(),
        },
        drop,
        measured,
    }
}
