//! The first screen: did distillation help, the three networks' figures, the weakest part, what to do next; and what was
//! found, in sentences, below it.

use limbeck_results::{Audit, Evaluation, Finding, Results, Solves, VerdictAnswer};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::answers;
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::next::{next_steps, weakest_part};
use crate::plot::{IntervalRow, interval_plot};

/// The answer, the three networks' figures, the weakest part, and what to do next.
pub(crate) fn render(results: &Results) -> Markup {
    let verdict = &results.verdict;
    let (class, sign, answer) = answer(verdict.answer);
    let next = next_steps(results);
    html! {
        section id="verdict" class=(format!("verdict {class}")) {
            h2.answer { span.sign aria-hidden="true" { (sign) } (answer) }
            @if !verdict.warnings.is_empty() {
                div.caveats {
                    @for warning in &verdict.warnings { p { span.sign aria-hidden="true" { "!" } (warning) } }
                }
            }
            (said(results, answer))
            (standings(&results.evaluation))
            div.columns {
                div { h3 { "The weakest part" } p { (weakest_part(results)) } }
                div { h3 { "What to do next" } ul.next { @for step in &next { li { (code_marked(step)) } } } }
            }
        }
    }
}

/// The answers of the audit and all further facts, below the first screen.
pub(crate) fn details(results: &Results) -> Markup {
    let verdict = &results.verdict;
    html! {
        section id="findings" {
            h2 { "What was found" }
            @if let Some(inside) = &verdict.inside {
                (answers::caveats(inside))
                (answers::answers(inside))
                @if let Some(audit) = &results.audit { dl.tiles.wide { (self::inside(audit)) } }
            } @else if !verdict.fragile.is_empty() {
                p { (verdict.fragile) }
            }
            @if !verdict.facts.is_empty() {
                ul.facts { @for fact in &verdict.facts { li { (fact) } } }
            }
        }
    }
}

/// Text with what stands between backticks set as code.
fn code_marked(text: &str) -> Markup {
    html! {
        @for (place, piece) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// The networks' figures as dots with intervals, a plot a measure.
fn standings(evaluation: &Evaluation) -> Markup {
    let (teacher, student, baseline) = (&evaluation.teacher, evaluation.students(), evaluation.baselines());
    let row = |label: &str, marks: [(Network, Option<Estimate>); 3]| IntervalRow {
        label: label.to_owned(),
        marks: marks.into_iter().filter_map(|(network, found)| Some((network, found?))).collect(),
        bands: Vec::new(),
    };
    let marks = |teacher: Option<Estimate>, student: Estimate, baseline: Option<Estimate>| {
        [(Network::Teacher, teacher), (Network::Student, Some(student)), (Network::Baseline, baseline)]
    };
    let measures = [
        (
            row(
                "Right on held-out data ↑",
                marks(Some(teacher.accuracy), student.accuracy, baseline.map(|it| it.accuracy)),
            ),
            Unit::Percent,
        ),
        (
            row(
                "Loss, nats per token ↓",
                marks(Some(teacher.loss), student.loss, baseline.map(|it| it.loss)),
            ),
            Unit::Plain,
        ),
        (
            row(
                "Same first token as the teacher ↑",
                marks(None, student.agreement, baseline.map(|it| it.agreement)),
            ),
            Unit::Percent,
        ),
    ];
    let networks: Vec<Network> =
        [Network::Teacher, Network::Student].into_iter().chain(baseline.map(|_| Network::Baseline)).collect();
    html! {
        div.standings {
            (legend(&networks))
            div.grid.three {
                @for (row, unit) in measures {
                    @let title = row.label.clone();
                    (interval_plot(&title, &[row], unit))
                }
            }
        }
    }
}

/// The headline, and that there is more to note.
fn said(results: &Results, answer: &str) -> Markup {
    html! {
        p.headline { (after_answer(&results.verdict.headline, answer)) }
        @if !results.notes.is_empty() {
            p.pointer { a href="#notes" { (noted(results.notes.len())) } }
        }
    }
}

/// The headline without the answer that the title above it has just given.
fn after_answer<'a>(headline: &'a str, answer: &str) -> &'a str {
    let rest = headline.strip_prefix(answer).and_then(|rest| rest.strip_prefix(". "));
    rest.unwrap_or(headline)
}

fn noted(count: usize) -> String {
    if count == 1 { "One note on this run".to_owned() } else { format!("{count} notes on this run") }
}

fn answer(answer: VerdictAnswer) -> (&'static str, &'static str, &'static str) {
    match answer {
        VerdictAnswer::Helped => ("helped", "▲", "Distillation helped this student"),
        VerdictAnswer::Hurt => ("hurt", "▼", "Distillation hurt this student"),
        VerdictAnswer::Mixed => ("mixed", "◆", "Distillation helped by some measures and hurt by others"),
        VerdictAnswer::Equal => ("open", "=", "Distillation made no difference that matters"),
        VerdictAnswer::CannotTell => ("open", "○", "The data cannot tell whether distillation helped"),
        VerdictAnswer::NoBaseline => ("open", "○", "No baseline, so the effect of distillation is unknown"),
    }
}

/// What the audit adds: likeness, single points of failure, severity.
pub(crate) fn inside(audit: &Audit) -> Markup {
    let (student, teacher) = (&audit.brittleness.student, &audit.brittleness.teacher);
    html! {
        (tile(
            "Alignment A with the teacher",
            format::estimate(&audit.alignment.a, Unit::Plain),
            html! {
                @if let Some(baseline) = &audit.baseline_alignment {
                    (other(Network::Baseline, &baseline.a, Unit::Plain))
                }
            },
        ))
        (tile(
            "Largest effect of ablating one component",
            format::estimate(&student.worst, Unit::PointsAlready),
            beside_damage(audit, other(Network::Teacher, &teacher.worst, Unit::PointsAlready)),
        ))
        (tile(
            "Severity, single-component ablation",
            format::estimate(&student.severity, Unit::Plain),
            beside_damage(audit, other(Network::Teacher, &teacher.severity, Unit::Plain)),
        ))
    }
}

fn tile(name: &str, figure: Markup, beside: Markup) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd { (figure) }
            dd.beside { (beside) }
        }
    }
}

fn other(network: Network, estimate: &Estimate, unit: Unit) -> Markup {
    html! { (network.key()) (network.name()) " " (format::estimate(estimate, unit)) }
}

/// What stands beside a figure of damage: a network that does not solve the task has no score to lose a share of.
fn beside_damage(audit: &Audit, teacher: Markup) -> Markup {
    match audit.student.solves() {
        Solves::Yes => teacher,
        Solves::No => html! { "no measure: the student does not solve the task" },
        Solves::CannotTell => {
            html! { (teacher) "; too few prompts to tell whether the student solves the task" }
        }
    }
}

/// A finding as a word with a sign.
pub(crate) fn chip(finding: Finding) -> Markup {
    let (class, text) = match finding {
        Finding::Better => ("better", "▲ student better"),
        Finding::Worse => ("worse", "▼ student worse"),
        Finding::Equal => ("open", "= equal within what matters"),
        Finding::CannotTell => ("open", "○ cannot tell"),
    };
    html! { span class=(format!("chip {class}")) { (text) } }
}
