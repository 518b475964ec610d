//! Teacher, student and baseline on the held-out examples.

use limbeck_results::Evaluation;
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::section;
use crate::format::{self, Unit};
use crate::network::Network;

/// One line of the table: a measure, its unit and the three networks' estimates.
struct Line<'a> {
    measure: &'static str,
    direction: &'static str,
    unit: Unit,
    teacher: Option<&'a Estimate>,
    student: &'a Estimate,
    baseline: Option<&'a Estimate>,
}

/// The section.
pub(crate) fn render(evaluation: &Evaluation) -> Markup {
    let lead = format!(
        "{} held-out examples, {} scored tokens. In brackets: 95% bootstrap intervals over examples.",
        format::count(evaluation.examples as u64),
        format::count(evaluation.scored_tokens as u64),
    );
    section("scores", "Scores", &lead, table(evaluation))
}

fn lines(scores: &Evaluation) -> Vec<Line<'_>> {
    let (teacher, student) = (&scores.teacher, &scores.student);
    let baseline = scores.baseline.as_ref();
    let line = |measure, direction, unit, teacher, student, baseline| Line {
        measure,
        direction,
        unit,
        teacher,
        student,
        baseline,
    };
    vec![
        line(
            "Accuracy",
            "↑",
            Unit::Percent,
            Some(&teacher.accuracy),
            &student.accuracy,
            baseline.map(|b| &b.accuracy),
        ),
        line(
            "Loss, nats per token",
            "↓",
            Unit::Plain,
            Some(&teacher.loss),
            &student.loss,
            baseline.map(|b| &b.loss),
        ),
        line(
            "Perplexity",
            "↓",
            Unit::Plain,
            Some(&teacher.perplexity),
            &student.perplexity,
            baseline.map(|b| &b.perplexity),
        ),
        line(
            "Agreement with teacher",
            "↑",
            Unit::Percent,
            None,
            &student.agreement,
            baseline.map(|b| &b.agreement),
        ),
        line("KL from teacher, nats", "↓", Unit::Plain, None, &student.kl, baseline.map(|b| &b.kl)),
        line(
            "Calibration error (ECE)",
            "↓",
            Unit::Percent,
            Some(&teacher.ece),
            &student.ece,
            baseline.map(|b| &b.ece),
        ),
    ]
}

/// The table of one evaluation; the shifted conditions show the same.
pub(crate) fn table(scores: &Evaluation) -> Markup {
    let with_baseline = scores.baseline.is_some();
    html! {
        div.scroll {
            table.scores style=(format!("--networks:{}", if with_baseline { 3 } else { 2 })) {
                thead { tr {
                    th scope="col" { "Measure" }
                    th.n scope="col" { (Network::Teacher.key()) "Teacher" }
                    th.n scope="col" { (Network::Student.key()) "Student" }
                    @if with_baseline {
                        th.n scope="col" { (Network::Baseline.key()) "Baseline" }
                    }
                } }
                tbody {
                    @for line in lines(scores) {
                        tr {
                            th scope="row" { (line.measure) " " span.direction { (line.direction) } }
                            (cell(line.teacher, line.unit))
                            (cell(Some(line.student), line.unit))
                            @if with_baseline { (cell(line.baseline, line.unit)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(estimate: Option<&Estimate>, unit: Unit) -> Markup {
    html! {
        td.n {
            @if let Some(estimate) = estimate { (format::estimate(estimate, unit)) }
            @else { span.ci { "–" } }
        }
    }
}
