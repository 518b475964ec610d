//! How alike the components are, by every measure.

use limbeck_results::{Audit, ComponentKind, MeasuredSimilarity, Similarity};
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::Network;
use crate::plot::{HeatCell, HeatMap, heat_key};

/// The section; absent when nothing was compared.
pub(crate) fn render(audit: &Audit) -> Markup {
    let Some(student) = &audit.similarity else {
        return html! {};
    };
    let body = html! {
        figure {
            h3 { (Network::Student.key()) "Student with teacher" }
            div.scroll { (table(student)) }
            figcaption {
                "Each teacher component with the student component most like it, the other way round, and one to one \
                 (largest total). Chance: mean over all pairs. A measure whose best matches are barely above chance tells little."
            }
        }
        @if let Some(baseline) = &audit.baseline_similarity {
            (numbers_below("The same between baseline and teacher", table(baseline)))
        }
        h3.follows { "Layer by layer" }
        div.key-row { span { "Mean best similarity, %" } (heat_key(100.0, 0.0)) }
        div.grid.three { @for measured in maps(student) { (map(measured)) } }
        @if !student.alignments.is_empty() {
            figure {
                h3 { "Alignment by other variants" }
                div.scroll { (variants(student)) }
            }
        }
    };
    let lead = format!(
        "Outputs at {} positions; where they are wide, their {} leading directions ({} of the teacher’s variance, {} of the student’s).",
        format::count(student.rows as u64),
        student.directions,
        format::in_unit(student.teacher_variance, Unit::Percent),
        format::in_unit(student.student_variance, Unit::Percent),
    );
    section("similarity", "How alike the components are", &lead, body)
}

fn kind(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Head => "heads",
        ComponentKind::Mlp => "MLPs",
    }
}

fn table(found: &Similarity) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Measure" } th scope="col" { "Of" } th.n scope="col" { "Teacher’s best" }
                th.n scope="col" { "Student’s best" } th.n scope="col" { "One to one" } th.n scope="col" { "Chance" }
            } }
            tbody {
                @for one in &found.measures {
                    tr {
                        th scope="row" { (one.measure.name()) }
                        td { (kind(one.kind)) }
                        td.n { (format::estimate(&one.teacher_mean, Unit::Plain)) }
                        td.n { (format::estimate(&one.student_mean, Unit::Plain)) }
                        td.n { (format::estimate(&one.one_to_one_mean, Unit::Plain)) }
                        td.n { (format::number(one.chance)) }
                    }
                }
            }
        }
    }
}

/// Measures whose layers are drawn: each once, similarities between 0 and 1 only.
fn maps(found: &Similarity) -> impl Iterator<Item = &MeasuredSimilarity> {
    use limbeck_results::SimilarityMeasure::{AttentionMaps, Cka};
    found.measures.iter().filter(|one| matches!(one.measure, Cka | AttentionMaps) && !one.layers.is_empty())
}

fn map(measured: &MeasuredSimilarity) -> Markup {
    let columns: Vec<String> =
        (0..measured.layers.iter().map(Vec::len).max().unwrap_or(0)).map(|layer| layer.to_string()).collect();
    let cells: Vec<HeatCell> = measured
        .layers
        .iter()
        .enumerate()
        .flat_map(|(row, line)| {
            line.iter().enumerate().map(move |(column, value)| HeatCell {
                row,
                column,
                value: 100.0 * value,
                title: format!("teacher layer {row}, student layer {column}: {}", format::number(*value)),
            })
        })
        .collect();
    let title =
        format!("{} of {}, teacher layers by student layers", measured.measure.name(), kind(measured.kind));
    let map = HeatMap {
        title: &title,
        rows: measured.layers.len(),
        columns: &columns,
        cells: &cells,
        full: 100.0,
        apart: false,
    };
    html! {
        figure {
            p.caption { b { (measured.measure.name()) } " " span.ci { "of " (kind(measured.kind)) "; rows teacher, columns student" } }
            (map.render())
            (numbers_below("Matches", matches(measured)))
        }
    }
}

fn matches(measured: &MeasuredSimilarity) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Teacher → student, one to one" } th.n scope="col" { "Similarity" } } }
            tbody {
                @for link in &measured.one_to_one {
                    tr {
                        th scope="row" { (link.teacher) span.arrow { " → " } (link.student) }
                        td.n { (format::number(link.similarity)) }
                    }
                }
            }
        }
    }
}

fn variants(found: &Similarity) -> Markup {
    use limbeck_results::AlignmentVariant::{A, B, OneToOne};
    html! {
        table {
            thead { tr {
                th scope="col" { "Variant" } th.n scope="col" { "A" } th.n scope="col" { "Similarity" }
                th.n scope="col" { "Influence" } th.n scope="col" { "p by shuffling" }
            } }
            tbody {
                @for one in &found.alignments {
                    tr {
                        th scope="row" {
                            (match one.variant { A => "A: student to teacher", B => "B: teacher to student", OneToOne => "one to one, CKA" })
                        }
                        td.n { (format::estimate(&one.alignment.a, Unit::Plain)) }
                        td.n { (format::estimate(&one.alignment.similarity, Unit::Plain)) }
                        td.n { (format::estimate(&one.alignment.influence, Unit::Plain)) }
                        td.n {
                            @if let Some(test) = &one.alignment.permutation { (format::number(test.p_value)) } @else { span.ci { "–" } }
                        }
                    }
                }
            }
        }
    }
}
