//! How hard each network leans on single components.

use limbeck_results::{Audit, Brittleness, BrittlenessOf};
use limbeck_stats::{Estimate, SEVERITY_THRESHOLD};
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{LinePlot, Series};

/// The differences of severity, each measured on the same resampled prompts.
fn paired(of: &BrittlenessOf) -> Markup {
    let line = |other: &str, difference: &Estimate| {
        html! { p { "Severity, student minus " (other) ", paired over prompts: " (format::estimate(difference, Unit::Plain)) } }
    };
    html! {
        (line("teacher", &of.severity_student_minus_teacher))
        @if let Some(difference) = &of.severity_student_minus_baseline { (line("baseline", difference)) }
    }
}

const MEASURES: [(&str, Unit, fn(&Brittleness) -> &Estimate); 5] = [
    ("Mean damage", Unit::PointsAlready, |b| &b.mean),
    ("Worst component", Unit::PointsAlready, |b| &b.worst),
    ("Mean of the worst 5%", Unit::PointsAlready, |b| &b.worst_5_percent),
    ("Severity", Unit::Plain, |b| &b.severity),
    ("Gini", Unit::Plain, |b| &b.gini),
];

/// The section.
pub(crate) fn render(audit: &Audit) -> Markup {
    let of = &audit.brittleness;
    let mut networks = vec![(Network::Teacher, &of.teacher), (Network::Student, &of.student)];
    networks.extend(of.baseline.as_ref().map(|b| (Network::Baseline, b)));
    let shown: Vec<Network> = networks.iter().map(|(network, _)| *network).collect();
    let series: Vec<Series> = networks.iter().map(|(network, b)| curve(*network, &b.curve)).collect();
    let plot = LinePlot {
        title: "Damage by component, worst first",
        x_label: "share of components, worst first, %",
        y_label: "damage, points",
        series: &series,
        x_domain: Some((0.0, 100.0)),
        y_domain: Some((0.0, 100.0)),
        reference: Some((SEVERITY_THRESHOLD, "counts towards severity above this line")),
    };
    let body = html! {
        div.grid {
            figure {
                h3 { "Damage curve" }
                (legend(&shown))
                (plot.render())
                figcaption {
                    "Damage of each component on its own, sorted. A curve that starts high and falls at once is a \
                     network with a single point of failure; a low flat one has spare parts."
                }
                (numbers_below("Numbers", curves(&networks)))
            }
            figure {
                h3 { "In figures" }
                div.scroll { (table(&networks)) }
                figcaption {
                    "Damage is 100 minus the score left, clamped to 0 and 100, in percentage points (pp). Severity is the \
                     mean of the damage beyond 20 points as a share of 80. Gini is 0 when all components matter equally \
                     and near 1 when one carries all."
                }
                (paired(of))
            }
        }
    };
    section(
        "brittleness",
        "Brittleness",
        "What happens to the score when one component fails. Less damage is sturdier.",
        body,
    )
}

fn curve(network: Network, damages: &[f64]) -> Series {
    let count = damages.len().max(1) as f64;
    Series {
        class: network.name().to_owned(),
        name: network.name().to_owned(),
        points: damages
            .iter()
            .enumerate()
            .map(|(place, damage)| (100.0 * (place as f64 + 0.5) / count, *damage))
            .collect(),
    }
}

fn table(networks: &[(Network, &Brittleness)]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Measure" }
                @for (network, _) in networks { th.n scope="col" { (network.key()) (network.name()) } }
            } }
            tbody {
                @for (name, unit, part) in MEASURES {
                    tr {
                        th scope="row" { (name) @if unit == Unit::PointsAlready { span.ci { ", pp" } } }
                        @for (_, b) in networks { td.n.stacked { (format::estimate(part(b), Unit::Plain)) } }
                    }
                }
                tr {
                    th scope="row" { "Components over 20 pp" }
                    @for (_, b) in networks {
                        td.n { (b.over_20) span.ci { " of " (b.curve.len()) } }
                    }
                }
            }
        }
    }
}

fn curves(networks: &[(Network, &Brittleness)]) -> Markup {
    let longest = networks.iter().map(|(_, b)| b.curve.len()).max().unwrap_or(0);
    html! {
        table {
            thead { tr {
                th.n scope="col" { "Rank" }
                @for (network, _) in networks { th.n scope="col" { (network.name()) } }
            } }
            tbody {
                @for place in 0..longest {
                    tr {
                        td.n { (place + 1) }
                        @for (_, b) in networks {
                            td.n { @if let Some(damage) = b.curve.get(place) { (format::number(*damage)) } }
                        }
                    }
                }
            }
        }
    }
}
