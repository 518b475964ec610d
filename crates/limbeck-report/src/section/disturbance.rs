//! What the networks still do as more and more of them is disturbed.

use limbeck_results::{Audit, DamageCurve, DamageCurves, KeptDifference};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::inside::unsolved;
use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{MeasuredPlot, MeasuredSeries, Spacing};

/// A kind of disturbance: heading, meaning of the sizes, what to see, and where it is in the results.
struct Kind {
    heading: &'static str,
    sizes: &'static str,
    caption: &'static str,
    curve: fn(&DamageCurves) -> &DamageCurve,
    difference: fn(&KeptDifference) -> &Estimate,
}

const KINDS: [Kind; 3] = [
    Kind {
        heading: "Under noise",
        sizes: "noise, standard deviations of each output",
        caption: "Normal noise at every head and every MLP at once, as large beside their outputs as the axis says.",
        curve: |curves| &curves.noise,
        difference: |kept| &kept.noise,
    },
    Kind {
        heading: "Losing the worst components",
        sizes: "components removed, worst first",
        caption: "The components of the largest single drops ablated together (mean ablation).",
        curve: |curves| &curves.worst_first,
        difference: |kept| &kept.worst_first,
    },
    Kind {
        heading: "Losing components at random",
        sizes: "components removed, at random",
        caption: "The same with components drawn at random.",
        curve: |curves| &curves.random,
        difference: |kept| &kept.random,
    },
];

/// The section; absent when nothing was disturbed.
pub(crate) fn render(audit: &Audit) -> Markup {
    let of = &audit.brittleness;
    let networks: Vec<(Network, &DamageCurves)> = [
        (Network::Teacher, Some(&of.teacher)),
        (Network::Student, Some(&of.student)),
        (Network::Baseline, of.baseline.as_ref()),
    ]
    .into_iter()
    .filter_map(|(network, found)| Some((network, found?.under_disturbance.as_ref()?)))
    .collect();
    let Some((_, first)) = networks.first() else {
        return html! {};
    };
    let shown: Vec<Network> = networks.iter().map(|(network, _)| *network).collect();
    let body = html! {
        (unsolved(audit))
        (legend(&shown))
        div.grid.three { @for kind in &KINDS { (one(kind, &networks)) } }
        figure {
            h3 { "What is kept" }
            div.scroll { (table(audit, &networks)) }
            figcaption {
                "The score left, clamped to 0 and 100, mean over the sizes. Differences are paired over prompts and \
                 over the sizes that both networks have; above zero the student keeps more."
            }
        }
    };
    let lead = format!(
        "The score left (100: nothing lost) against the size of a disturbance, on {} prompts. Bands: 95% intervals over prompts.",
        format::count(first.prompts as u64),
    );
    section("disturbance", "Under growing disturbance", &lead, body)
}

fn one(kind: &Kind, networks: &[(Network, &DamageCurves)]) -> Markup {
    let series: Vec<MeasuredSeries> = networks
        .iter()
        .map(|(network, curves)| MeasuredSeries {
            network: *network,
            points: (kind.curve)(curves).points.iter().map(|point| (point.size, point.score)).collect(),
        })
        .collect();
    let plot = MeasuredPlot {
        title: kind.heading,
        x_label: kind.sizes,
        y_label: "score left, %",
        spacing: Spacing::Ratios,
        y_least: (0.0, 100.0),
        // Beyond these a network answers something else altogether.
        y_most: (-50.0, 150.0),
        reference: Some((100.0, "")),
        series: &series,
    };
    let draws = networks.iter().map(|(_, curves)| (kind.curve)(curves).draws).max().unwrap_or(0);
    html! {
        figure {
            h3 { (kind.heading) }
            (plot.render())
            figcaption { (kind.caption) @if draws > 1 { " Mean over " (draws) " draws." } }
            (numbers_below("Numbers", numbers(kind, networks)))
        }
    }
}

fn numbers(kind: &Kind, networks: &[(Network, &DamageCurves)]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Network" } th.n scope="col" { "Size" } th.n scope="col" { "Score left, %" }
                th.n scope="col" { "Single draws" } th.n scope="col" { "Right" }
            } }
            tbody {
                @for (network, curves) in networks {
                    @for point in &(kind.curve)(curves).points {
                        tr {
                            th scope="row" { (network.name()) }
                            td.n { (format::number(point.size)) }
                            td.n { (format::estimate(&point.score, Unit::Plain)) }
                            td.n { (format::number(point.lowest_draw)) " to " (format::number(point.highest_draw)) }
                            td.n { (format::estimate(&point.accuracy, Unit::Percent)) }
                        }
                    }
                }
            }
        }
        @if kind.heading == KINDS[1].heading {
            @for (network, curves) in networks {
                p.ci style="white-space:normal" { (network.name()) ": " (curves.order.join(", ")) }
            }
        }
    }
}

fn table(audit: &Audit, networks: &[(Network, &DamageCurves)]) -> Markup {
    let of = &audit.brittleness;
    let against = [
        ("student minus teacher", of.kept_student_minus_teacher.as_ref()),
        ("student minus baseline", of.kept_student_minus_baseline.as_ref()),
    ];
    let against: Vec<(&str, &KeptDifference)> =
        against.into_iter().filter_map(|(name, found)| Some((name, found?))).collect();
    html! {
        table {
            thead { tr {
                th scope="col" { "Disturbance" }
                @for (network, _) in networks { th.n scope="col" { (network.key()) (network.name()) ", %" } }
                @for (name, _) in &against { th.n scope="col" { (name) ", pp" } }
            } }
            tbody {
                @for kind in &KINDS {
                    tr {
                        th scope="row" { (kind.heading) }
                        @for (_, curves) in networks {
                            td.n.stacked { (format::estimate(&(kind.curve)(curves).kept, Unit::Plain)) }
                        }
                        @for (_, kept) in &against {
                            td.n.stacked { (format::estimate((kind.difference)(kept), Unit::Plain)) }
                        }
                    }
                }
            }
        }
    }
}
