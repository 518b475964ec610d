//! Spare capacity, and brittleness on shifted prompts: the two tables that follow the curves.

use limbeck_results::{Audit, Brittleness, ShiftedBrittleness, ShiftedFigures, SpareCapacity};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{IntervalRow, interval_plot};

/// The section on spare capacity; absent when it was not measured.
pub(crate) fn render(audit: &Audit) -> Markup {
    let of = &audit.brittleness;
    let networks: Vec<(Network, &SpareCapacity)> = [
        (Network::Teacher, Some(&of.teacher)),
        (Network::Student, Some(&of.student)),
        (Network::Baseline, of.baseline.as_ref()),
    ]
    .into_iter()
    .filter_map(|(network, found): (Network, Option<&Brittleness>)| {
        Some((network, found?.spare_capacity.as_ref()?))
    })
    .collect();
    if networks.is_empty() {
        return html! {};
    }
    let shown: Vec<Network> = networks.iter().map(|(network, _)| *network).collect();
    let row = IntervalRow {
        label: "Share of direct effects that others make good".to_owned(),
        marks: networks.iter().map(|(network, spare)| (*network, spare.taken_over)).collect(),
        bands: Vec::new(),
    };
    let body = html! {
        div.grid {
            figure {
                h3 { "Taken over after single removals" }
                (legend(&shown))
                (interval_plot("Spare capacity of the networks", &[row], Unit::Percent))
                figcaption {
                    "Direct effect: what the score loses when a component’s own word is taken out of the last residual stream. \
                     Total effect: what it loses when all later components see that it is gone. Where the total is the \
                     smaller, others have stepped in (self-repair; McGrath et al. 2023, Rushing & Nanda 2024)."
                }
            }
            figure {
                h3 { "Largest direct effects" }
                @for (network, spare) in &networks {
                    (numbers_below(network.name(), repairs(spare)))
                }
            }
        }
    };
    section(
        "spare",
        "Spare capacity",
        "When one component fails, how much of its part do the others play?",
        body,
    )
}

fn repairs(spare: &SpareCapacity) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Component" } th.n scope="col" { "Direct, pp" } th.n scope="col" { "Total, pp" }
                th.n scope="col" { "Made good, pp" }
            } }
            tbody {
                @for one in &spare.components {
                    tr {
                        th scope="row" { (one.component) }
                        td.n { (format::estimate(&one.direct, Unit::Plain)) }
                        td.n { (format::number(one.total)) }
                        td.n { (format::number(one.direct.value - one.total)) }
                    }
                }
            }
        }
    }
}

/// The section on shifted prompts; absent when there were none.
pub(crate) fn shifted(audit: &Audit) -> Markup {
    let shifts = &audit.brittleness.shifts;
    if shifts.is_empty() {
        return html! {};
    }
    let with_baseline = shifts.iter().any(|shift| shift.baseline.is_some());
    let body = html! {
        dl.conditions {
            @for shift in shifts {
                dt { (format::words(&shift.name)) }
                dd { (shift.description) }
            }
        }
        div.scroll { table {
            thead { tr {
                th scope="col" { "Prompts" } th scope="col" { "Network" } th.n scope="col" { "Severity" }
                th.n scope="col" { "Worst, pp" } th scope="col" { "Component" } th.n scope="col" { "Right" }
                th.n scope="col" { "Logit difference" }
            } }
            tbody { @for shift in shifts { (lines(shift)) } }
        } }
        @for shift in shifts {
            p {
                (capital(&format::words(&shift.name))) ": severity of the student minus the teacher’s "
                (format::estimate(&shift.severity_student_minus_teacher, Unit::Plain))
                @if let Some(difference) = &shift.severity_student_minus_baseline {
                    ", minus the baseline’s " (format::estimate(difference, Unit::Plain))
                }
                ", over " (shift.prompts) " prompts."
            }
        }
    };
    let lead = if with_baseline {
        "The same removals on other prompts. A network that is sturdy only on the prompts it is usually asked is not sturdy."
    } else {
        "The same removals on other prompts."
    };
    section("shifted", "Brittleness on shifted prompts", lead, body)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn lines(shift: &ShiftedBrittleness) -> Markup {
    let networks: Vec<(Network, &ShiftedFigures)> = [
        (Network::Teacher, Some(&shift.teacher)),
        (Network::Student, Some(&shift.student)),
        (Network::Baseline, shift.baseline.as_ref()),
    ]
    .into_iter()
    .filter_map(|(network, found)| Some((network, found?)))
    .collect();
    let solves = |difference: &Estimate| difference.low > 0.0;
    html! {
        @for (place, (network, found)) in networks.iter().enumerate() {
            tr {
                th scope="row" { @if place == 0 { (format::words(&shift.name)) } }
                td { (network.key()) (network.name()) }
                @if solves(&found.logit_difference) {
                    td.n { (format::estimate(&found.severity, Unit::Plain)) }
                    td.n { (format::estimate(&found.worst, Unit::Plain)) }
                    td { (found.worst_component) }
                } @else {
                    td.n { span.ci { "does not solve it" } }
                    td.n { span.ci { "–" } }
                    td { span.ci { "–" } }
                }
                td.n { (format::estimate(&found.accuracy, Unit::Percent)) }
                td.n { (format::estimate(&found.logit_difference, Unit::Plain)) }
            }
        }
    }
}
