//! What every head and MLP carries: layer by component, the networks side by side.

use limbeck_results::{Audit, Component, NetworkAudit};
use maud::{Markup, html};

use super::inside::unsolved;
use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::Network;
use crate::plot::{HeatCell, HeatMap, extent, heat_key};

/// Magnitudes a scale may end at, in percentage points.
const FULL: [f64; 7] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
/// Grids wider than this many columns stand under each other.
const BESIDE: usize = 13;

/// The section.
pub(crate) fn render(audit: &Audit) -> Markup {
    let networks = networks(audit);
    let drops = || networks.iter().flat_map(|(_, n)| n.components.iter().map(|c| c.drop.value));
    let (low, high) = extent(drops()).unwrap_or((0.0, 0.0));
    let largest = low.abs().max(high);
    let full = FULL.into_iter().find(|full| *full >= largest).unwrap_or(100.0);
    let wide = networks.iter().any(|(_, network)| network.heads >= BESIDE);
    let body = html! {
        (unsolved(audit))
        div.key-row {
            span { "Points of the score lost" }
            (heat_key(full, low.max(-full)))
        }
        div class=(if wide { "stack" } else { "grid three" }) {
            @for (network, found) in &networks { (one(*network, found, full)) }
        }
    };
    let lead = format!(
        "Rows are layers, columns heads and the MLP. Each cell: the percentage points of the score (logit difference, right answer \
         against wrong) lost when it alone is ablated ({}), over {} prompts of the task “{}”. One \
         colour scale for all networks. Few dark cells in a pale grid: the network depends on few components.",
        ablation(&audit.ablation),
        format::count(audit.prompts as u64),
        format::words(&audit.task),
    );
    section("influence", "What each component carries", &lead, body)
}

/// What takes an ablated component's place.
fn ablation(name: &str) -> &str {
    match name {
        "mean" => "replaced by its mean over corrupted prompts",
        "zero" => "replaced by zero",
        "partner" => "replaced by its output on the corrupted prompt",
        "resample" => "replaced by its output on another corrupted prompt",
        "noise" => "with noise added to its output",
        other => other,
    }
}

/// The networks that were audited.
pub(crate) fn networks(audit: &Audit) -> Vec<(Network, &NetworkAudit)> {
    let mut networks = vec![(Network::Teacher, &audit.teacher), (Network::Student, &audit.student)];
    networks.extend(audit.baseline.as_ref().map(|found| (Network::Baseline, found)));
    networks
}

fn one(network: Network, found: &NetworkAudit, full: f64) -> Markup {
    let columns: Vec<String> =
        (0..found.heads).map(|head| head.to_string()).chain(["MLP".to_owned()]).collect();
    let cells: Vec<HeatCell> = found
        .components
        .iter()
        .map(|component| HeatCell {
            row: component.layer,
            column: component.head.unwrap_or(found.heads),
            value: component.drop.value,
            title: described(component),
        })
        // A component outside the stated shape is in the table, not in the grid.
        .filter(|cell| cell.row < found.layers && cell.column <= found.heads)
        .collect();
    let title = format!("Points of the score lost in the {}, layers by heads and MLP", network.name());
    let map =
        HeatMap { title: &title, rows: found.layers, columns: &columns, cells: &cells, full, apart: true };
    html! {
        figure {
            h3 { (network.key()) (network.name()) }
            (map.render())
            figcaption { (caption(found)) }
            (numbers_below("Numbers", table(found)))
        }
    }
}

fn described(component: &Component) -> String {
    format!(
        "{}: {} lost, score {}%",
        component.label(),
        format::estimate_text(&component.drop, Unit::PointsAlready),
        format::number(component.score),
    )
}

fn caption(found: &NetworkAudit) -> Markup {
    let mut order = by_drop(found);
    order.truncate(3);
    html! {
        "Whole network: logit difference "
        (format::estimate(&found.logit_difference, Unit::Plain))
        @if let Some(spread) = &found.logit_difference_spread {
            " (standard deviation over prompts " (format::in_unit(spread.standard_deviation.value, Unit::Plain))
            ", middle half " (format::in_unit(spread.lower_quartile.value, Unit::Plain)) " to "
            (format::in_unit(spread.upper_quartile.value, Unit::Plain)) ")"
        }
        ", right preferred on "
        (format::estimate(&found.preference, Unit::Percent)) " of prompts, exact on "
        (format::estimate(&found.accuracy, Unit::Percent)) ". Largest losses: "
        @for (place, component) in order.iter().enumerate() {
            @if place > 0 { ", " }
            (component.label()) " (" (format::in_unit(component.drop.value, Unit::PointsAlready)) ")"
        }
        "."
    }
}

/// Components from the most to the least influential, what is not a number last.
fn by_drop(found: &NetworkAudit) -> Vec<&Component> {
    let mut order: Vec<&Component> = found.components.iter().collect();
    let key = |c: &Component| {
        if c.drop.value.is_nan() { f64::NEG_INFINITY } else { c.drop.value }
    };
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    order
}

fn table(found: &NetworkAudit) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Component" }
                th.n scope="col" { "Points lost" }
                th.n scope="col" { "Score left, %" }
            } }
            tbody {
                @for component in by_drop(found) {
                    tr {
                        th scope="row" { (component.label()) }
                        td.n { (format::estimate(&component.drop, Unit::Plain)) }
                        td.n { (format::number(component.score)) }
                    }
                }
            }
        }
    }
}
