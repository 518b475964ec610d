//! A circuit as a graph: layers as rows, the input below, the answer above.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::WIDTH;
use super::heat::{side, strength};
use crate::format;

const ROW: f64 = 40.0;
const BOX: f64 = 17.0;
const LEFT: f64 = 30.0;
/// Distance of two nodes in a row at most.
const STEP: f64 = 60.0;
/// Narrower nodes have no room for their label.
const NAMED: f64 = 26.0;
const MLP: f64 = 46.0;

/// A component of the circuit.
pub(crate) struct GraphNode {
    /// Its label, by which edges name it.
    pub(crate) label: String,
    /// Its layer.
    pub(crate) layer: usize,
    /// Its head; absent for an MLP: those stand at the right end.
    pub(crate) head: Option<usize>,
    /// What is shaded.
    pub(crate) value: f64,
    /// Style class beside the shade, such as `lost`.
    pub(crate) class: &'static str,
    /// Shown when it is pointed at.
    pub(crate) title: String,
}

/// An edge between two components, or from `embed`, or to `logits`.
pub(crate) struct GraphEdge {
    /// Label of the writer.
    pub(crate) from: String,
    /// Label of the reader.
    pub(crate) to: String,
    /// Its weight; larger is wider.
    pub(crate) weight: f64,
    /// Style class: which input it ends at.
    pub(crate) class: &'static str,
    /// Shown when it is pointed at.
    pub(crate) title: String,
}

/// A circuit.
pub(crate) struct GraphPlot<'a> {
    /// What the plot shows, for readers who cannot see it.
    pub(crate) title: &'a str,
    /// Its components.
    pub(crate) nodes: &'a [GraphNode],
    /// Its edges.
    pub(crate) edges: &'a [GraphEdge],
    /// Heads in a layer of the network.
    pub(crate) heads: usize,
    /// The magnitude of a node that is shaded fully.
    pub(crate) full: f64,
    /// The weight of an edge that is drawn widest.
    pub(crate) widest: f64,
}

/// Centre and width of a node's box.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
}

impl GraphPlot<'_> {
    /// The graph. Layers without a component have no row.
    pub(crate) fn render(&self) -> Markup {
        let mut rows: Vec<usize> = self.nodes.iter().map(|node| node.layer).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.dedup();
        let y = |row: usize| 14.0 + ROW * row as f64;
        let places = self.places(&rows, &y);
        let mut edges: Vec<&GraphEdge> = self.edges.iter().filter(|edge| edge.weight.is_finite()).collect();
        // The strong ones lie on top.
        edges.sort_by(|a, b| a.weight.abs().total_cmp(&b.weight.abs()));
        html! {
            svg.plot.graph viewBox=(format!("0 0 {WIDTH} {:.0}", y(rows.len() + 1) + 14.0)) role="img" aria-label=(self.title) {
                @for (row, layer) in rows.iter().enumerate() {
                    text.tick x="0" y=(format!("{:.1}", y(row + 1) + 4.0)) { (layer) }
                    line.grid x1=(LEFT - 8.0) x2=(WIDTH) y1=(y(row + 1)) y2=(y(row + 1)) {}
                }
                @for edge in edges {
                    @if let (Some(from), Some(to)) = (places.get(edge.from.as_str()), places.get(edge.to.as_str())) {
                        (self.edge(edge, *from, *to))
                    }
                }
                @for name in ["logits", "embed"] {
                    @if let Some(place) = places.get(name) {
                        rect.end x=(format!("{:.1}", place.x - place.width / 2.0)) y=(format!("{:.1}", place.y - BOX / 2.0))
                            width=(place.width) height=(BOX) rx="8" {}
                        text.node x=(format!("{:.1}", place.x)) y=(format!("{:.1}", place.y + 4.0)) text-anchor="middle" { (name) }
                    }
                }
                @for node in self.nodes {
                    @if let Some(place) = places.get(node.label.as_str()) { (self.node(node, *place)) }
                }
            }
        }
    }

    /// Every label's place, `logits` and `embed` among them.
    fn places(&self, rows: &[usize], y: &dyn Fn(usize) -> f64) -> BTreeMap<&str, Place> {
        let middle = LEFT + (WIDTH - MLP - LEFT) / 2.0;
        let mut places = BTreeMap::from([
            ("logits", Place { x: middle, y: y(0), width: 60.0 }),
            ("embed", Place { x: middle, y: y(rows.len() + 1), width: 60.0 }),
        ]);
        for (row, layer) in rows.iter().enumerate() {
            let heads: Vec<(usize, &GraphNode)> = (self.nodes.iter())
                .filter(|node| node.layer == *layer)
                .filter_map(|node| Some((node.head?, node)))
                .collect();
            // Every head has its column, as in the grids, where there is room for all; else those of the row spread.
            let own = (WIDTH - MLP - LEFT) / self.heads.max(1) as f64 >= NAMED + 4.0;
            let count = if own { self.heads } else { heads.len() };
            let step = ((WIDTH - MLP - LEFT) / count.max(1) as f64).min(STEP);
            let first = middle - step * (count as f64 - 1.0) / 2.0;
            for (place, (head, node)) in heads.iter().enumerate() {
                let place = if own { *head } else { place };
                let (x, width) = (first + step * place as f64, (step - 4.0).clamp(3.0, 34.0));
                places.insert(&node.label, Place { x, y: y(row + 1), width });
            }
            for node in self.nodes.iter().filter(|node| node.layer == *layer && node.head.is_none()) {
                places.insert(
                    &node.label,
                    Place { x: WIDTH - MLP / 2.0 + 1.0, y: y(row + 1), width: MLP - 2.0 },
                );
            }
        }
        places
    }

    fn node(&self, node: &GraphNode, place: Place) -> Markup {
        let shade = strength(node.value, self.full);
        let text = if shade > 0.55 { "node strong" } else { "node" };
        let (x, y) = (format!("{:.1}", place.x - place.width / 2.0), format!("{:.1}", place.y - BOX / 2.0));
        html! {
            g {
                title { (node.title) }
                rect.ground x=(x) y=(y) width=(format!("{:.1}", place.width)) height=(BOX) rx="3" {}
                rect class=(format!("{} box {}", side(node.value), node.class)) x=(x) y=(y)
                    width=(format!("{:.1}", place.width)) height=(BOX) rx="3" fill-opacity=(format!("{shade:.3}")) {}
                @if place.width >= NAMED {
                    text class=(text) x=(format!("{:.1}", place.x)) y=(format!("{:.1}", place.y + 4.0)) text-anchor="middle" {
                        (format::shortened(&node.label, 7))
                    }
                }
            }
        }
    }

    fn edge(&self, edge: &GraphEdge, from: Place, to: Place) -> Markup {
        let share = if self.widest > 0.0 { (edge.weight.abs() / self.widest).min(1.0) } else { 0.0 };
        let (start, end) = (from.y - BOX / 2.0, to.y + BOX / 2.0);
        // Components of one layer stand side by side: a head writes to its own layer's MLP.
        let level = (start - end).abs() < BOX * 2.0 && from.y == to.y;
        let (start, end) = if level { (from.y - BOX / 2.0, to.y - BOX / 2.0) } else { (start, end) };
        let bend = if level { 16.0 } else { ((start - end) * 0.5).max(10.0) };
        let (first, second) = (start - bend, if level { end - bend } else { end + bend });
        html! {
            path class=(format!("edge {}", edge.class)) stroke-width=(format!("{:.2}", 0.6 + 3.6 * share))
                stroke-opacity=(format!("{:.2}", 0.3 + 0.5 * share))
                d=(format!(
                    "M{:.1} {start:.1}C{:.1} {first:.1} {:.1} {second:.1} {:.1} {end:.1}",
                    from.x, from.x, to.x, to.x
                )) { title { (edge.title) } }
        }
    }
}
