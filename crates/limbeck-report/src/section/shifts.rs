//! The three networks away from the training distribution.

use limbeck_results::{Evaluation, Results};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::{numbers_below, scores, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{IntervalRow, interval_plot};

/// A measure to plot: its name, unit, which way is better, and how each network's is found.
struct Measure {
    name: &'static str,
    unit: Unit,
    caption: &'static str,
    teacher: fn(&Evaluation) -> Option<Estimate>,
    student: fn(&Evaluation) -> Estimate,
    baseline: fn(&Evaluation) -> Option<Estimate>,
}

const MEASURES: [Measure; 4] = [
    Measure {
        name: "Accuracy, %",
        unit: Unit::Percent,
        caption: "Further right is better. A student that falls further than its teacher has learnt the \
            training data rather than the task.",
        teacher: |e| Some(e.teacher.accuracy),
        student: |e| e.student.accuracy,
        baseline: |e| e.baseline.as_ref().map(|b| b.accuracy),
    },
    Measure {
        name: "Loss, nats per token",
        unit: Unit::Plain,
        caption: "Further left is better.",
        teacher: |e| Some(e.teacher.loss),
        student: |e| e.student.loss,
        baseline: |e| e.baseline.as_ref().map(|b| b.loss),
    },
    Measure {
        name: "Agreement with the teacher, %",
        unit: Unit::Percent,
        caption: "Further right is more faithful: the same token ranked first.",
        teacher: |_| None,
        student: |e| e.student.agreement,
        baseline: |e| e.baseline.as_ref().map(|b| b.agreement),
    },
    Measure {
        name: "KL from the teacher, nats",
        unit: Unit::Plain,
        caption: "Further left is more faithful: the same distribution over tokens.",
        teacher: |_| None,
        student: |e| e.student.kl,
        baseline: |e| e.baseline.as_ref().map(|b| b.kl),
    },
];

/// The section; absent when no shifted data was scored.
pub(crate) fn render(results: &Results) -> Markup {
    let evaluation = &results.evaluation;
    if evaluation.shifts.is_empty() {
        return html! {};
    }
    let mut networks = vec![Network::Teacher, Network::Student];
    if evaluation.baseline.is_some() {
        networks.push(Network::Baseline);
    }
    let body = html! {
        dl.conditions {
            @for shift in &evaluation.shifts {
                dt { (format::words(&shift.name)) }
                dd { (shift.description) span.ci { " " (format::count(shift.scores.examples as u64)) " examples" } }
            }
        }
        (legend(&networks))
        div.grid {
            @for measure in &MEASURES {
                figure {
                    h3 { (measure.name) }
                    (interval_plot(measure.name, &rows(measure, evaluation), measure.unit))
                    figcaption { (measure.caption) }
                }
            }
        }
        @for shift in &evaluation.shifts {
            (numbers_below(&format!("Numbers: {}", format::words(&shift.name)), scores::table(&shift.scores)))
        }
    };
    section(
        "shifts",
        "Away from the training data",
        "Dots are estimates, whiskers 95% intervals. The first row repeats the held-out examples.",
        body,
    )
}

fn rows(measure: &Measure, evaluation: &Evaluation) -> Vec<IntervalRow> {
    let held_out = ("held out".to_owned(), evaluation);
    let shifted = evaluation.shifts.iter().map(|s| (format::words(&s.name), &s.scores));
    std::iter::once(held_out)
        .chain(shifted)
        .map(|(label, scores)| IntervalRow {
            label,
            marks: [
                (Network::Teacher, (measure.teacher)(scores)),
                (Network::Student, Some((measure.student)(scores))),
                (Network::Baseline, (measure.baseline)(scores)),
            ]
            .into_iter()
            .filter_map(|(network, estimate)| Some((network, estimate?)))
            .collect(),
            bands: Vec::new(),
        })
        .collect()
}
