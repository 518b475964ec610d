//! The circuits of teacher and student side by side, and how well they do the networks' work.

use limbeck_results::{Audit, Circuit, CircuitComparison, CircuitEdge, CircuitMethod, HeadInput, Solves};
use limbeck_stats::Estimate;
use maud::{Markup, Render, html};

use super::table::{Column, table};
use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::Network;
use crate::plot::{GraphEdge, GraphNode, GraphPlot, extent};

/// Edges drawn at most.
const DRAWN: usize = 45;
/// A drop is shaded fully at the largest, but at no less than this.
const FULL: f64 = 20.0;

/// The section; absent without circuits.
pub(crate) fn render(audit: &Audit) -> Markup {
    let networks: Vec<(Network, &Circuit)> = super::influence::networks(audit)
        .into_iter()
        .filter_map(|(network, found)| Some((network, found.circuit.as_ref()?)))
        .collect();
    let Some((_, first)) = networks.first() else {
        return html! {};
    };
    let drops = networks.iter().flat_map(|(_, circuit)| circuit.nodes.iter().map(|node| node.drop.value));
    let full = extent(drops).map_or(FULL, |(low, high)| low.abs().max(high)).max(FULL);
    let edges = networks.iter().filter_map(|(_, circuit)| circuit.edges.as_ref());
    let weights = edges.flat_map(|edges| edges.edges.iter().map(|edge| edge.drop));
    let widest = extent(weights).map_or(0.0, |(low, high)| low.abs().max(high.abs()));
    let body = html! {
        @if networks.iter().any(|(_, circuit)| circuit.edges.is_some()) { (edge_key()) }
        @if let [(network, circuit)] = networks.as_slice() {
            div.grid { (one(*network, circuit, audit, full, widest)) (how_well(&networks)) }
        } @else {
            div.grid {
                @for (network, circuit) in networks.iter().filter(|(network, _)| *network != Network::Baseline) {
                    (one(*network, circuit, audit, full, widest))
                }
            }
            @for (network, circuit) in networks.iter().filter(|(network, _)| *network == Network::Baseline) {
                details { summary { "The baseline’s circuit" } div.grid { (one(*network, circuit, audit, full, widest)) } }
            }
            (how_well(&networks))
        }
        @for (network, found) in super::influence::networks(audit) {
            @if found.circuit.is_none() {
                p.absent {
                    "The " (network.name())
                    @if found.solves() == Solves::No { " does not solve the task: it has no circuit." }
                    @else { " has no circuit: its components add nothing to its logit difference." }
                }
            }
        }
        (comparisons(audit))
    };
    let lead = format!(
        "The components that do the task by themselves, found by {} on {} prompts; {} points of {} may be lost. \
         Rows are layers, the input below. Darker: the circuit loses more without it. Wider: an edge of larger effect.",
        method(first.method),
        format::count(first.prompts as u64),
        format::number(first.threshold),
        if first.normalised {
            "what all components add to the logit difference"
        } else {
            "the logit difference"
        },
    );
    section("circuits", "Circuits", &lead, body)
}

fn how_well(networks: &[(Network, &Circuit)]) -> Markup {
    html! {
        figure {
            h3 { "How well the circuits do" }
            div.scroll { (scores(networks)) }
            figcaption {
                "Normalised faithfulness: what the circuit adds to the logit difference with every component ablated, as a share of \
                 what the whole network adds; a network that answers without its components cannot score here. The rows below it are \
                 shares of the logit difference itself: the circuit alone, with all other components at their means; the network \
                 with the circuit at its means; everything ablated. Random: circuits of as many heads and MLPs."
            }
        }
    }
}

fn method(method: CircuitMethod) -> &'static str {
    match method {
        CircuitMethod::Pruning => "pruning",
        CircuitMethod::Eap => "edge attribution (EAP)",
        CircuitMethod::EapIg => "edge attribution with integrated gradients (EAP-IG)",
    }
}

fn input_class(input: Option<HeadInput>) -> &'static str {
    match input {
        Some(HeadInput::Query) => "query",
        Some(HeadInput::Key) => "keyed",
        Some(HeadInput::Value) => "valued",
        None => "plain",
    }
}

fn edge_key() -> Markup {
    let names = [
        ("query", "to a query"),
        ("keyed", "to a key"),
        ("valued", "to a value"),
        ("plain", "to an MLP or the answer"),
    ];
    html! {
        p.legend {
            @for (class, name) in names {
                span.entry {
                    svg.key viewBox="0 0 26 10" width="26" height="10" aria-hidden="true" {
                        path class=(format!("edge {class}")) stroke-width="2.4" d="M0 5H26" {}
                    }
                    (name)
                }
            }
            span.entry { span.dashed {} "dashed frame: nothing like it in the student’s circuit" }
        }
    }
}

fn comparison(network: Network, audit: &Audit) -> Option<&CircuitComparison> {
    match network {
        Network::Teacher => audit.student_circuit.as_ref(),
        Network::Student | Network::Baseline => None,
    }
}

fn one(network: Network, circuit: &Circuit, audit: &Audit, full: f64, widest: f64) -> Markup {
    let lost = |label: &str| {
        comparison(network, audit).is_some_and(|found| {
            found.members.iter().any(|member| member.teacher == label && !member.in_student_circuit)
        })
    };
    let nodes: Vec<GraphNode> = circuit
        .nodes
        .iter()
        .map(|node| GraphNode {
            label: node.label(),
            layer: node.layer,
            head: node.head,
            value: node.drop.value,
            class: if lost(&node.label()) { "lost" } else { "" },
            title: format!(
                "{}: the circuit loses {} without it",
                node.label(),
                format::estimate_text(&node.drop, Unit::PointsAlready)
            ),
        })
        .collect();
    let all: &[CircuitEdge] = circuit.edges.as_ref().map_or(&[], |edges| &edges.edges);
    let mut strongest: Vec<&CircuitEdge> = all.iter().filter(|edge| edge.drop.is_finite()).collect();
    strongest.sort_by(|a, b| b.drop.abs().total_cmp(&a.drop.abs()));
    strongest.truncate(DRAWN);
    let edges: Vec<GraphEdge> = strongest
        .iter()
        .map(|edge| GraphEdge {
            from: edge.from.clone(),
            to: edge.to.clone(),
            weight: edge.drop,
            class: input_class(edge.input),
            title: format!(
                "{} → {}: {}",
                edge.from,
                edge.to,
                format::in_unit(edge.drop, Unit::PointsAlready)
            ),
        })
        .collect();
    let audited = super::influence::networks(audit);
    let heads = audited.iter().find(|(one, _)| *one == network).map_or(1, |(_, found)| found.heads);
    let title = format!("Circuit of the {}", network.name());
    let plot = GraphPlot { title: &title, nodes: &nodes, edges: &edges, heads, full, widest };
    html! {
        figure {
            h3 { (network.key()) (network.name()) }
            (plot.render())
            figcaption {
                (format::counted(circuit.heads, "head")) " and " (format::counted(circuit.mlps, "MLP")) ", " (format::in_unit(circuit.share, Unit::Percent))
                " of its components. "
                @if let Some(kept) = &circuit.scores.faithfulness_normalised {
                    "Normalised faithfulness " (format::estimate(kept, Unit::Plain)) "%."
                } @else {
                    "Normalised faithfulness cannot be given: with every component ablated the logit difference is as high."
                }
                @if all.len() > edges.len() { " The " (edges.len()) " largest of " (all.len()) " edges are drawn." }
            }
            (numbers_below("Components", node_table(circuit)))
            @if !all.is_empty() { (numbers_below("Edges", edge_table(all))) }
        }
    }
}

fn node_table(circuit: &Circuit) -> Markup {
    let mut order: Vec<_> = circuit.nodes.iter().collect();
    order.sort_by(|a, b| b.drop.value.total_cmp(&a.drop.value));
    let rows =
        order.into_iter().map(|node| [node.label().render(), format::estimate(&node.drop, Unit::Plain)]);
    table([Column::text("Component"), Column::number("Lost without it, pp")], rows)
}

fn edge_table(edges: &[CircuitEdge]) -> Markup {
    let mut order: Vec<&CircuitEdge> = edges.iter().collect();
    order.sort_by(|a, b| b.drop.abs().total_cmp(&a.drop.abs()));
    let columns = [
        Column::text("Edge"),
        Column::text("Input"),
        Column::number("Lost without it, pp"),
        Column::text("How"),
    ];
    let rows = order.into_iter().map(|edge| {
        let input = match edge.input {
            Some(HeadInput::Query) => "query",
            Some(HeadInput::Key) => "key",
            Some(HeadInput::Value) => "value",
            None => "",
        };
        [
            html! { (edge.from) span.arrow { " → " } (edge.to) },
            input.render(),
            format::number(edge.drop).render(),
            (if edge.measured { "measured" } else { "estimated" }).render(),
        ]
    });
    table(columns, rows)
}

/// A row of the table of scores: its name, and how a circuit's figure is written.
type Score = (&'static str, fn(&Circuit) -> Markup);

const SCORES: [Score; 9] = [
    ("Normalised faithfulness, %", |c| plain(c.scores.faithfulness_normalised.as_ref())),
    ("Circuit alone, %", |c| plain(Some(&c.scores.circuit))),
    ("Network without it, %", |c| plain(Some(&c.scores.without))),
    ("Everything ablated, %", |c| plain(Some(&c.scores.nothing))),
    ("Completeness, %", |c| plain(c.scores.completeness.as_ref())),
    ("Minimality: mean loss without one, pp", |c| plain(c.scores.minimality.as_ref())),
    ("Random circuits alone, %", |c| {
        against_chance(c.random.as_ref().map(|random| (&random.circuit, random.circuit_p)))
    }),
    ("Network without a random circuit, %", |c| {
        against_chance(c.random.as_ref().map(|random| (&random.without, random.without_p)))
    }),
    ("Edges kept", |c| {
        html! {
            @if let Some(edges) = &c.edges {
                (edges.edges.len()) span.ci { " of " (edges.tested) " tested, " (edges.possible) " possible" }
            } @else { (plain(None)) }
        }
    }),
];

fn plain(estimate: Option<&Estimate>) -> Markup {
    html! { @if let Some(estimate) = estimate { (format::estimate(estimate, Unit::Plain)) } @else { span.ci { "–" } } }
}

fn against_chance(found: Option<(&Estimate, f64)>) -> Markup {
    html! {
        (plain(found.map(|(estimate, _)| estimate)))
        @if let Some((_, p)) = found { " " span.ci { "p = " (format::number(p)) } }
    }
}

fn scores(networks: &[(Network, &Circuit)]) -> Markup {
    let columns = std::iter::once(Column::text("Measure")).chain(
        networks.iter().map(|(network, _)| Column::stacked(html! { (network.key()) (network.name()) })),
    );
    let rows = SCORES.iter().map(|(name, cell)| {
        std::iter::once(name.render()).chain(networks.iter().map(move |(_, circuit)| cell(circuit)))
    });
    table(columns, rows)
}

fn comparisons(audit: &Audit) -> Markup {
    let found = [("student", audit.student_circuit.as_ref()), ("baseline", audit.baseline_circuit.as_ref())];
    html! {
        @for (name, found) in found {
            @if let Some(found) = found {
                p {
                    "Of the teacher’s circuit, " (format::in_unit(found.kept, Unit::Percent)) " has its match in the " (name)
                    "’s circuit (" (format::in_unit(found.kept_outside, Unit::Percent)) " of the components outside it, the share by chance)."
                    @if !found.of_the_student_alone.is_empty() {
                        " In the " (name) "’s circuit alone: " (found.of_the_student_alone.join(", ")) "."
                    }
                }
            }
        }
    }
}
