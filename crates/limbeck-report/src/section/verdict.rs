//! The first screen: did distillation help, where is the student fragile, and by which figures.

use limbeck_results::{Audit, Evaluation, Finding, Results, VerdictAnswer};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::answers;
use crate::format::{self, Unit};
use crate::network::Network;

/// The answer, its two sentences, its facts, and the figures it rests on.
pub(crate) fn render(results: &Results) -> Markup {
    let verdict = &results.verdict;
    let (class, sign, answer) = answer(verdict.answer);
    html! {
        section id="verdict" class=(format!("verdict {class}")) {
            h2.answer { span.sign aria-hidden="true" { (sign) } (answer) }
            @if let Some(inside) = &verdict.inside {
                (said(results, answer))
                (answers::caveats(inside))
                (answers::answers(inside))
                dl.tiles.wide { (tiles(results)) }
            } @else {
                div.columns {
                    div.said {
                        (said(results, answer))
                        @if !verdict.fragile.is_empty() {
                            p.fragile { span.eyebrow { "Where it is fragile" } (verdict.fragile) }
                        }
                    }
                    dl.tiles { (tiles(results)) }
                }
            }
            @if !verdict.facts.is_empty() {
                ul.facts { @for fact in &verdict.facts { li { (fact) } } }
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
        VerdictAnswer::CannotTell => ("open", "○", "The data cannot tell whether distillation helped"),
        VerdictAnswer::NoBaseline => ("open", "○", "No baseline, so the effect of distillation is unknown"),
    }
}

/// The figures a decision needs.
fn tiles(results: &Results) -> Markup {
    let evaluation = &results.evaluation;
    html! {
        (loss(evaluation))
        (tile(
            "Student’s accuracy",
            format::estimate(&evaluation.student.accuracy, Unit::Percent),
            other(Network::Teacher, &evaluation.teacher.accuracy, Unit::Percent),
        ))
        (agreement(evaluation))
        @if let Some(audit) = &results.audit { (inside(audit)) }
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
            "Damage by its worst component",
            format::estimate(&student.worst, Unit::PointsAlready),
            beside_damage(audit, other(Network::Teacher, &teacher.worst, Unit::PointsAlready)),
        ))
        (tile(
            "Severity of single damages",
            format::estimate(&student.severity, Unit::Plain),
            beside_damage(audit, other(Network::Teacher, &teacher.severity, Unit::Plain)),
        ))
    }
}

fn loss(evaluation: &Evaluation) -> Markup {
    match evaluation.comparisons.iter().find(|comparison| comparison.measure == "loss") {
        Some(comparison) => tile(
            "Loss, student minus baseline",
            format::estimate(&comparison.difference, Unit::Plain),
            chip(comparison.finding),
        ),
        None => tile(
            "Held-out loss",
            format::estimate(&evaluation.student.loss, Unit::Plain),
            other(Network::Teacher, &evaluation.teacher.loss, Unit::Plain),
        ),
    }
}

fn agreement(evaluation: &Evaluation) -> Markup {
    tile(
        "Agreement with the teacher",
        format::estimate(&evaluation.student.agreement, Unit::Percent),
        html! {
            @if let Some(baseline) = &evaluation.baseline {
                (other(Network::Baseline, &baseline.agreement, Unit::Percent))
            }
        },
    )
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
    let solves = audit.student.logit_difference.low > 0.0;
    html! { @if solves { (teacher) } @else { "no measure: the student does not solve the task" } }
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
