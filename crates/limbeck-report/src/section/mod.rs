//! The parts of the page, one file each, in the order a reader needs them.

pub(crate) mod alignment;
pub(crate) mod answers;
pub(crate) mod attention;
pub(crate) mod attribution;
pub(crate) mod brittleness;
pub(crate) mod circuits;
pub(crate) mod comparisons;
pub(crate) mod disturbance;
pub(crate) mod influence;
pub(crate) mod inside;
pub(crate) mod matches;
pub(crate) mod notes;
pub(crate) mod patching;
pub(crate) mod provenance;
pub(crate) mod roles;
pub(crate) mod scores;
pub(crate) mod shifts;
pub(crate) mod similarity;
pub(crate) mod spare;
pub(crate) mod table;
pub(crate) mod training;
pub(crate) mod verdict;

use maud::{Markup, html};

/// A section with its heading and what to see in it.
pub(crate) fn section(id: &str, heading: &str, lead: &str, body: Markup) -> Markup {
    html! {
        section id=(id) {
            h2 { (heading) }
            @if !lead.is_empty() { p.lead { (lead) } }
            (body)
        }
    }
}

/// A plot with its caption and the numbers it was drawn from.
pub(crate) fn figure(heading: Markup, plot: Markup, caption: &str, numbers: Markup) -> Markup {
    html! {
        figure {
            h3 { (heading) }
            (plot)
            figcaption { (caption) }
            (numbers_below("Numbers", numbers))
        }
    }
}

/// Numbers that are there for those who ask.
pub(crate) fn numbers_below(summary: &str, numbers: Markup) -> Markup {
    html! {
        details {
            summary { (summary) }
            div.scroll { (numbers) }
        }
    }
}
