//! How alike the components are, by every measure.

use limbeck_results::{Audit, ComponentKind, MeasuredSimilarity, Similarity};
use maud::{Markup, Render, html};

use super::table::{Column, table};
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
            div.scroll { (measures(student)) }
            figcaption {
                "Each teacher component with the student component most like it, the other way round, and one to one \
                 (largest total). Chance: mean over all pairs. A measure whose best matches are barely above chance tells little."
            }
        }
        @if let Some(baseline) = &audit.baseline_similarity {
            (numbers_below("The same between baseline and teacher", measures(baseline)))
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

fn measures(found: &Similarity) -> Markup {
    let columns = [
        Column::text("Measure"),
        Column::text("Of"),
        Column::number("Teacher’s best"),
        Column::number("Student’s best"),
        Column::number("One to one"),
        Column::number("Chance"),
    ];
    let rows = found.measures.iter().map(|one| {
        [
            one.measure.name().render(),
            kind(one.kind).render(),
            format::estimate(&one.teacher_mean, Unit::Plain),
            format::estimate(&one.student_mean, Unit::Plain),
            format::estimate(&one.one_to_one_mean, Unit::Plain),
            format::number(one.chance).render(),
        ]
    });
    table(columns, rows)
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
    let rows = measured.one_to_one.iter().map(|link| {
        [
            html! { (link.teacher) span.arrow { " → " } (link.student) },
            format::number(link.similarity).render(),
        ]
    });
    table([Column::text("Teacher → student, one to one"), Column::number("Similarity")], rows)
}

fn variants(found: &Similarity) -> Markup {
    use limbeck_results::AlignmentVariant::{A, B, OneToOne};
    let columns = [
        Column::text("Variant"),
        Column::number("A"),
        Column::number("Similarity"),
        Column::number("Influence"),
        Column::number("Permutation test: p"),
    ];
    let rows = found.alignments.iter().map(|one| {
        let name = match one.variant {
            A => "A: student to teacher",
            B => "B: teacher to student",
            OneToOne => "one to one, CKA",
        };
        let test = one.alignment.permutation.as_ref();
        [
            name.render(),
            format::estimate(&one.alignment.a, Unit::Plain),
            format::estimate(&one.alignment.similarity, Unit::Plain),
            format::estimate(&one.alignment.influence, Unit::Plain),
            html! { @if let Some(test) = test { (format::number(test.p_value)) } @else { span.ci { "–" } } },
        ]
    });
    table(columns, rows)
}
