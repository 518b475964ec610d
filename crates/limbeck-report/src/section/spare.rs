//! Spare capacity, and brittleness on shifted prompts: the two tables that follow the curves.

use limbeck_results::{Audit, Brittleness, ShiftedBrittleness, ShiftedFigures, Solves, SpareCapacity};
use limbeck_stats::Estimate;
use maud::{Markup, Render, html};

use super::inside::unsolved;
use super::table::{Column, table};
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
        label: "Share of direct effects compensated".to_owned(),
        marks: networks.iter().map(|(network, spare)| (*network, spare.taken_over)).collect(),
        bands: Vec::new(),
    };
    let taken_over = networks.iter().map(|(network, spare)| {
        [html! { (network.key()) (network.name()) }, format::estimate(&spare.taken_over, Unit::Percent)]
    });
    let body = html! {
        (unsolved(audit))
        div.grid {
            figure {
                h3 { "Compensation after single ablations" }
                (legend(&shown))
                (interval_plot("Spare capacity of the networks", &[row], Unit::Percent))
                figcaption {
                    "Direct effect: what the score loses when a component’s output is replaced by its mean in the final residual stream \
                     only. Total effect: what it loses when the component is ablated and all later ones compute on. Where the \
                     total is the smaller, later components compensate (self-repair; McGrath et al. 2023, Rushing & Nanda 2024)."
                }
            }
            figure {
                h3 { "In figures" }
                (table([Column::text("Network"), Column::number("Compensated by others")], taken_over))
                @for (network, spare) in &networks {
                    (numbers_below(&format!("Largest direct effects: {}", network.name()), repairs(spare)))
                }
            }
        }
    };
    section(
        "spare",
        "Spare capacity",
        "When one component is ablated, how much of its direct effect do later ones compensate?",
        body,
    )
}

fn repairs(spare: &SpareCapacity) -> Markup {
    let columns = [
        Column::text("Component"),
        Column::number("Direct, pp"),
        Column::number("Total, pp"),
        Column::number("Compensated, pp"),
    ];
    let rows = spare.components.iter().map(|one| {
        [
            one.component.render(),
            format::estimate(&one.direct, Unit::Plain),
            format::number(one.total).render(),
            format::number(one.direct.value - one.total).render(),
        ]
    });
    table(columns, rows)
}

/// The section on shifted prompts; absent when there were none.
pub(crate) fn shifted(audit: &Audit) -> Markup {
    let shifts = &audit.brittleness.shifts;
    if shifts.is_empty() {
        return html! {};
    }
    let columns = [
        Column::text("Prompts"),
        Column::text("Network"),
        Column::number("Severity"),
        Column::number("Worst, pp"),
        Column::text("Component"),
        Column::number("Right"),
        Column::number("Logit difference"),
    ];
    let several = shifts.iter().any(|shift| shift.across_seeds.is_some());
    let body = html! {
        dl.conditions {
            @for shift in shifts {
                dt { (format::words(&shift.name)) }
                dd { (shift.description) }
            }
        }
        div.scroll { (table(columns, shifts.iter().flat_map(lines))) }
        @for shift in shifts { p { (compared(shift)) } }
    };
    let lead = if several {
        "The same ablations on other prompts, of the first training."
    } else {
        "The same ablations on other prompts."
    };
    section("shifted", "Brittleness on shifted prompts", lead, body)
}

/// What may be said of one shift: a comparison over several trainings; of a single one the figures only.
fn compared(shift: &ShiftedBrittleness) -> Markup {
    html! {
        (capital(&format::words(&shift.name))) ", " (format::counted(shift.prompts, "prompt")) ": "
        @if shift.student.solves() == Solves::No {
            "the student does not solve them, so its severity is no measure."
        } @else if let Some(found) = &shift.across_seeds {
            "over " (found.seeds) " trainings"
            @if let Some(found) = &found.mean_student_minus_teacher { (difference("teacher", &found.difference)) }
            @if let Some(found) = &found.mean_student_minus_baseline { (difference("baseline", &found.difference)) }
            @if found.mean_student_minus_teacher.is_none() && found.mean_student_minus_baseline.is_none() {
                " fewer than two solve them, so there is nothing to compare"
            }
            "."
        } @else {
            "figures of this one training; another may differ by more than the networks do here."
        }
    }
}

fn difference(whose: &str, difference: &Estimate) -> Markup {
    html! {
        ", mean damage of the student minus the " (whose) "’s " (format::estimate(difference, Unit::PointsAlready))
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A row for each network.
fn lines(shift: &ShiftedBrittleness) -> Vec<[Markup; 7]> {
    let networks = [
        (Network::Teacher, Some(&shift.teacher)),
        (Network::Student, Some(&shift.student)),
        (Network::Baseline, shift.baseline.as_ref()),
    ];
    let found = networks.into_iter().filter_map(|(network, found)| Some((network, found?)));
    found.enumerate().map(|(place, (network, found))| line(shift, place == 0, network, found)).collect()
}

fn line(shift: &ShiftedBrittleness, first: bool, network: Network, found: &ShiftedFigures) -> [Markup; 7] {
    let none = || html! { span.ci { "–" } };
    let [severity, worst, component] = if found.solves() != Solves::No {
        [
            format::estimate(&found.severity, Unit::Plain),
            format::estimate(&found.worst, Unit::Plain),
            found.worst_component.render(),
        ]
    } else {
        [html! { span.ci { "does not solve it" } }, none(), none()]
    };
    [
        html! { @if first { (format::words(&shift.name)) } },
        html! { (network.key()) (network.name()) },
        severity,
        worst,
        component,
        format::estimate(&found.accuracy, Unit::Percent),
        format::estimate(&found.logit_difference, Unit::Plain),
    ]
}
