//! All that an audit found, section after section: part of a run's report and the body of an audit's own page.

use limbeck_results::Audit;
use maud::Markup;

use super::{
    alignment, attention, attribution, brittleness, circuits, disturbance, influence, matches, roles,
    similarity, spare,
};

/// A section's anchor, its name in the list of contents, and itself.
pub(crate) type Part = (&'static str, &'static str, Markup);

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
