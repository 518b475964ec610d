//! Which student component took over each teacher component.

use limbeck_results::{Audit, Match};
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format;
use crate::network::Network;

/// Pairs shown before the reader asks for more.
const FIRST: usize = 12;

/// The section; absent without pairs.
pub(crate) fn render(audit: &Audit) -> Markup {
    let mut pairs: Vec<&Match> = audit.alignment.matches.iter().collect();
    if pairs.is_empty() {
        return html! {};
    }
    let weight = |m: &Match| {
        if m.teacher_influence.is_nan() { -1.0 } else { m.teacher_influence }
    };
    pairs.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let largest = pairs
        .iter()
        .flat_map(|pair| [pair.teacher_influence, pair.student_influence])
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let first = pairs.len().min(FIRST);
    let (shown, rest) = pairs.split_at(first);
    let body = html! {
        div.scroll { (table(shown, largest)) }
        @if !rest.is_empty() {
            (numbers_below(&format!("The other {} pairs", rest.len()), table(rest, largest)))
        }
    };
    section(
        "matches",
        "Matched components",
        "Every teacher component with the student component most like it, from the teacher’s largest influence down. Similarity \
         is 1 when both do the same on these prompts; influence is the share of all damage done by zero-ablating them one by one. A \
         student bar far longer than the teacher’s marks a component with more influence than its counterpart.",
        body,
    )
}

fn table(pairs: &[&Match], largest: f64) -> Markup {
    html! {
        table.pairs {
            thead { tr {
                th scope="col" { "Teacher → student" }
                th scope="col" { "Similarity" }
                th scope="col" {
                    "Influence: " (Network::Teacher.key()) "teacher " (Network::Student.key()) "student"
                }
            } }
            tbody {
                @for pair in pairs {
                    tr {
                        th scope="row" { (pair.teacher) span.arrow { " → " } (pair.student) }
                        td { (bar("similarity", pair.similarity, 1.0, format::number(pair.similarity))) }
                        td {
                            (bar(Network::Teacher.name(), pair.teacher_influence, largest, percent(pair.teacher_influence)))
                            (bar(Network::Student.name(), pair.student_influence, largest, percent(pair.student_influence)))
                        }
                    }
                }
            }
        }
    }
}

/// Shares down to a tenth of a percent: below that a pair does not matter.
fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0005 {
        "<\u{202f}0.1%".to_owned()
    } else if share.is_finite() {
        format!("{}%", format::tick(100.0 * share, 0.1))
    } else {
        format::number(share)
    }
}

fn bar(class: &str, value: f64, largest: f64, text: String) -> Markup {
    let share = if value.is_finite() && largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
    html! {
        span.bar {
            span.track { span class=(format!("fill {class}")) style=(format!("width:{:.1}%", 100.0 * share)) {} }
            span.n { (text) }
        }
    }
}
