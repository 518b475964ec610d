//! The answers of an audit: what carries the task, what became of it, how alike the networks are, what breaks first.

use limbeck_results::AuditAnswers;
use maud::{Markup, html};

/// What has to be said before the answers, if anything.
pub(crate) fn caveats(answers: &AuditAnswers) -> Markup {
    html! {
        @if !answers.caveats.is_empty() {
            div.caveats { @for caveat in &answers.caveats { p { span.sign aria-hidden="true" { "!" } (caveat) } } }
        }
    }
}

/// The answers side by side.
pub(crate) fn answers(answers: &AuditAnswers) -> Markup {
    let said = [
        ("What carries the task", "#influence", &answers.carries),
        ("What became of the teacher’s components", "#matches", &answers.became),
        ("How alike the two are", "#alignment", &answers.alike),
        ("What breaks first", "#brittleness", &answers.breaks),
    ];
    html! {
        div.answers {
            @for (question, anchor, answer) in said {
                div.one { a.eyebrow href=(anchor) { (question) } p { (answer) } }
            }
        }
    }
}
