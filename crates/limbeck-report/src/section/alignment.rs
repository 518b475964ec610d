//! Alignment A, its two parts, and the bound it cannot leave.

use limbeck_results::{Alignment, Audit};
use limbeck_stats::Estimate;
use maud::{Markup, Render, html};

use super::section;
use super::table::Column;
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{IntervalRow, interval_plot};

const PARTS: [(&str, fn(&Alignment) -> &Estimate); 4] = [
    ("Alignment A", |alignment| &alignment.a),
    ("Similarity S alone", |alignment| &alignment.similarity),
    ("Influence term 1 − |Iₛ − Iₜ| alone", |alignment| &alignment.influence),
    ("Similarity weighted by influence", |alignment| &alignment.influence_weighted_similarity),
];

/// The section.
pub(crate) fn render(audit: &Audit) -> Markup {
    let mut networks = vec![(Network::Student, &audit.alignment)];
    networks.extend(audit.baseline_alignment.as_ref().map(|a| (Network::Baseline, a)));
    let rows: Vec<IntervalRow> = PARTS
        .iter()
        .enumerate()
        .map(|(place, (label, part))| IntervalRow {
            label: (*label).to_owned(),
            marks: networks.iter().map(|(network, a)| (*network, *part(a))).collect(),
            bands: if place == 0 { networks.iter().map(|(_, a)| a.bound).collect() } else { Vec::new() },
        })
        .collect();
    let shown: Vec<Network> = networks.iter().map(|(network, _)| *network).collect();
    let body = html! {
        div.grid {
            figure {
                h3 { "A and its parts" }
                (legend(&shown))
                (interval_plot("Alignment with the teacher and its parts", &rows, Unit::Plain))
                figcaption {
                    "Shaded: all A can be, given the similarities, from mean(S) − 2/|P| to mean(S). The more pairs, the \
                     less the influence term moves it. The last row weighs every pair by the teacher’s influence: how \
                     alike the components are that matter."
                }
            }
            figure {
                h3 { "In figures" }
                div.scroll { (table(&networks)) }
                figcaption {
                    "Permutation test: the student’s influences shuffled among its components of a kind, the matches kept."
                }
            }
            (floors(audit))
        }
    };
    section(
        "alignment",
        "Alignment with the teacher",
        "A is the mean over matched pairs of similarity times agreement in influence (Haskins & Adams 2025, \
         variant B): 1 for a network and itself, and far above 0 for networks that share nothing but a shape.",
        body,
    )
}

/// What networks without training score: the scale on which A is to be read.
fn floors(audit: &Audit) -> Markup {
    let Some(floors) = &audit.alignment_floors else {
        return html! {
            p.absent {
                "A of networks without training was not measured (audit.similarity.floors = 0): whether the student’s is high or low \
                 cannot be said."
            }
        };
    };
    let trained = [(Network::Student, Some(floors.student)), (Network::Baseline, floors.baseline)];
    let trained = trained.into_iter().filter_map(|(network, a)| {
        Some([html! { (network.key()) (network.name()) }, format::number(a?).render()])
    });
    let untrained = floors.networks.iter().map(|floor| {
        let each: Vec<String> = floor.a.iter().map(|a| format::number(*a)).collect();
        [floor.kind.plural().render(), each.join(", ").render()]
    });
    html! {
        figure {
            h3 { "Beside networks without training" }
            (super::table::table(
                [Column::text("Network"), Column::number("A with the teacher")],
                trained.chain(untrained),
            ))
            figcaption {
                "A (variant B) on the same " (format::counted(floors.prompts, "prompt")) " for all; one figure a seed. "
                @if floors.student > floors.highest() {
                    "The student’s is above all of them: only what is above them can come from training."
                } @else {
                    "The student’s is not above all of them: it shows nothing of what was learned from the teacher."
                }
            }
        }
    }
}

fn table(networks: &[(Network, &Alignment)]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Part" }
                @for (network, _) in networks { th.n scope="col" { (network.key()) (network.name()) } }
            } }
            tbody {
                @for (label, part) in PARTS {
                    tr {
                        th scope="row" { (label) }
                        @for (_, alignment) in networks { td.n.stacked { (format::estimate(part(alignment), Unit::Plain)) } }
                    }
                }
                tr {
                    th scope="row" { "Bound on A" }
                    @for (_, alignment) in networks {
                        td.n { (format::number(alignment.bound.0)) " to " (format::number(alignment.bound.1)) }
                    }
                }
                tr {
                    th scope="row" { "Permutation test: mean A, p" }
                    @for (_, alignment) in networks {
                        td.n {
                            @if let Some(test) = &alignment.permutation {
                                (format::number(test.mean)) ", p = " (format::number(test.p_value))
                            } @else { span.ci { "–" } }
                        }
                    }
                }
                tr {
                    th scope="row" { "Pairs" }
                    @for (_, alignment) in networks { td.n { (alignment.matches.len()) } }
                }
            }
        }
    }
}
