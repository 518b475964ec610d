//! What a reader must know before relying on the figures.

use maud::{Markup, html};

use super::section;

/// The section; absent without notes.
pub(crate) fn render(notes: &[String]) -> Markup {
    if notes.is_empty() {
        return html! {};
    }
    section("notes", "Notes", "", html! { ul.notes { @for note in notes { li { (note) } } } })
}
