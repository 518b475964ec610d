//! Student against baseline, measure by measure, with what may be said.

use limbeck_results::{BaselineOutcome, Comparison, Results};
use maud::{Markup, html};

use super::section;
use super::verdict::chip;
use crate::format::{self, Unit};
use crate::plot::difference_strip;

/// The section; says so when there is nothing to compare.
pub(crate) fn render(results: &Results) -> Markup {
    let comparisons = &results.evaluation.comparisons;
    let lead = "Student minus baseline on the same examples. Each line has a scale of its own; the \
        upright stroke is zero. An interval that holds zero cannot tell the two apart.";
    let body = html! {
        @if let BaselineOutcome::Skipped { reason } = &results.models.baseline {
            p.absent { "No baseline was trained: " (reason) }
        } @else if comparisons.is_empty() {
            p.absent { "No paired comparisons were made." }
        } @else {
            div.comparisons { @for comparison in comparisons { (row(comparison)) } }
        }
    };
    section("comparisons", "Student against baseline", if comparisons.is_empty() { "" } else { lead }, body)
}

fn row(comparison: &Comparison) -> Markup {
    let unit = match comparison.measure.as_str() {
        "accuracy" | "agreement" | "ece" => Unit::Points,
        _ => Unit::Plain,
    };
    let text = format::estimate_text(&comparison.difference, unit);
    html! {
        div.comparison {
            div.measure { (format::words(&comparison.measure)) }
            div.against {
                (difference_strip(&format!("Difference {text}"), &comparison.difference))
                span.figure { (format::estimate(&comparison.difference, unit)) }
            }
            div.sentence { (chip(comparison.finding)) " " (comparison.sentence) }
        }
    }
}
