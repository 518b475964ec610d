//! Circuits from scores: the edges of largest magnitude that lead to the logits.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use super::EdgeScores;
use crate::circuit::{Edge, Graph, Reader, Writer};

/// The `count` edges chosen greedily (Hanna et al. 2024, section 3): from the logits on, always the edge of
/// largest `|score|` whose reader is already in the circuit. Edges of components that nothing in the circuit writes
/// to go again, so that there may be fewer. In the order of the graph.
pub fn greedy_edges(scores: &EdgeScores, count: usize) -> Vec<Edge> {
    let graph = scores.graph;
    let mut candidates = BinaryHeap::new();
    let mut reached = BTreeSet::new();
    reach(Reader::Logits, scores, &mut reached, &mut candidates);
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        let Some(Candidate { edge, .. }) = candidates.pop() else { break };
        chosen.insert(edge);
        if let Writer::Component(node) = edge.from {
            for reader in
                graph.readers().into_iter().filter(|reader| graph.components(*reader).contains(&node))
            {
                reach(reader, scores, &mut reached, &mut candidates);
            }
        }
    }
    drop_orphans(graph, &mut chosen);
    let mut edges: Vec<Edge> = chosen.into_iter().collect();
    edges.sort_by_key(|edge| (graph.reader_index(edge.to), graph.writer_index(edge.from)));
    edges
}

/// Offers the edges into a reader.
fn reach(
    reader: Reader,
    scores: &EdgeScores,
    reached: &mut BTreeSet<Reader>,
    candidates: &mut BinaryHeap<Candidate>,
) {
    if !reached.insert(reader) {
        return;
    }
    for index in 0..scores.graph.writers_before(reader) {
        let edge = Edge { from: scores.graph.writer(index), to: reader };
        candidates.push(Candidate { size: scores.get(edge).abs(), edge });
    }
}

/// Takes out edges from components that hear nothing, until there are none.
fn drop_orphans(graph: Graph, chosen: &mut BTreeSet<Edge>) {
    loop {
        let hearing: BTreeSet<usize> = chosen.iter().flat_map(|edge| graph.components(edge.to)).collect();
        let before = chosen.len();
        chosen.retain(|edge| match edge.from {
            Writer::Embed => true,
            Writer::Component(node) => hearing.contains(&node),
        });
        if chosen.len() == before {
            return;
        }
    }
}

/// An edge to choose, the largest first; of equals the first in the graph.
struct Candidate {
    size: f64,
    edge: Edge,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.size.total_cmp(&other.size).then_with(|| other.edge.cmp(&self.edge))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}
