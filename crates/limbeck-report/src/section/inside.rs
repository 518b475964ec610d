//! All that an audit found, section after section: part of a run's report and the body of an audit's own page.

use limbeck_results::{Audit, Solves};
use maud::{Markup, html};

use super::{
    alignment, attention, attribution, brittleness, circuits, disturbance, influence, matches, roles,
    similarity, spare,
};

/// A section's anchor, its name in the list of contents, and itself.
pub(crate) type Part = (&'static str, &'static str, Markup);

/// What has to be said before drops and damages when a network does not solve the task: they are shares of a score
/// that is none.
pub(super) fn unsolved(audit: &Audit) -> Markup {
    let networks: Vec<_> = influence::networks(audit)
        .into_iter()
        .filter(|(_, found)| found.solves() == Solves::No)
        .map(|(network, _)| network)
        .collect();
    html! {
        @if !networks.is_empty() {
            p.unsolved {
                @for (place, network) in networks.iter().enumerate() {
                    @if place > 0 { " and " }
                    (network.key()) (network.name())
                }
                @if networks.len() > 1 { " do" } @else { " does" }
                " not solve the task (accuracy above chance, and a logit difference above zero, each by its 95% interval): drops and \
                 damages there are shares of next to nothing, and say little."
            }
        }
    }
}

/// The sections that there are results for, in the order of the questions: what carries the task, what became of
/// it, how alike the two are, what breaks.
pub(crate) fn parts(audit: &Audit) -> Vec<Part> {
    let parts = [
        ("influence", "Components", influence::render(audit)),
        ("circuits", "Circuits", circuits::render(audit)),
        ("attribution", "Attribution", attribution::render(audit)),
        ("attention", "Attention", attention::render(audit)),
        ("roles", "Roles", roles::render(audit)),
        ("matches", "Matches", matches::render(audit)),
        ("alignment", "Alignment", alignment::render(audit)),
        ("similarity", "Similarity", similarity::render(audit)),
        ("brittleness", "Brittleness", brittleness::render(audit)),
        ("disturbance", "Disturbance", disturbance::render(audit)),
        ("spare", "Spare capacity", spare::render(audit)),
        ("shifted", "Shifted prompts", spare::shifted(audit)),
    ];
    parts.into_iter().filter(|(_, _, section)| !section.0.is_empty()).collect()
}
