//! Spare capacity, and brittleness on shifted prompts: the two tables that follow the curves.

use limbeck_results::{Audit, Brittleness, ShiftedBrittleness, ShiftedFigures, SpareCapacity};
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
        label: "Direct effect compensated by others".to_owned(),
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
                h3 { "Compensated after single ablations" }
                (legend(&shown))
                (interval_plot("Spare capacity of the networks", &[row], Unit::Percent))
                figcaption {
                    "Direct effect: what the score loses when a component’s output is ablated in the final residual stream only. \
                     Total effect: what it loses when the ablation reaches all later components too. Where the total is the \
                     smaller, others have stepped in (self-repair; McGrath et al. 2023, Rushing & Nanda 2024)."
                }
            }
            figure {
                h3 { "In figures" }
                (table([Column::text("Network"), Column::number("Compensated")], taken_over))
                @for (network, spare) in &networks {
                    (numbers_below(&format!("Largest direct effects: {}", network.name()), repairs(spare)))
                }
            }
        }
    };
    section(
        "spare",
        "Spare capacity",
        "How much of a component’s direct effect later components compensate when it is ablated.",
        body,
    )
}

fn repairs(spare: &SpareCapacity) -> Markup {
    let columns = [
        Column::text("Component"),
        Column::number("Direct, pp"),
        Column::number("Total, pp"),
        Column::number("Made good, pp"),
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
    let with_baseline = shifts.iter().any(|shift| shift.baseline.is_some());
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
    let lead = if with_baseline {
        "The same removals on other prompts. A network that is robust only on the prompts it is usually asked is not robust."
    } else {
        "The same removals on other prompts."
    };
    section("shifted", "Brittleness on shifted prompts", lead, body)
}

/// The paired differences of one shift, where there are scores to lose shares of.
fn compared(shift: &ShiftedBrittleness) -> Markup {
    let solves = |found: &ShiftedFigures| found.logit_difference.low > 0.0;
    let line = |whose: &str, difference: &Estimate| {
        html! { ", minus the " (whose) "’s " (format::estimate(difference, Unit::Plain)) }
    };
    let teacher = solves(&shift.teacher).then_some(&shift.severity_student_minus_teacher);
    let baseline = shift.baseline.as_ref().filter(|found| solves(found));
    let baseline = baseline.and(shift.severity_student_minus_baseline.as_ref());
    html! {
        (capital(&format::words(&shift.name))) ", " (format::counted(shift.prompts, "prompt")) ": "
        @if !solves(&shift.student) {
            "the student does not solve them, so its severity is no measure."
        } @else if teacher.is_none() && baseline.is_none() {
            "no other network solves them, so there is nothing to compare with."
        } @else {
            "severity of the student"
            @if let Some(difference) = teacher { (line("teacher", difference)) }
            @if let Some(difference) = baseline { (line("baseline", difference)) }
            "."
        }
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
    let [severity, worst, component] = if found.logit_difference.low > 0.0 {
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
