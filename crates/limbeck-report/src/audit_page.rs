//! The page of an audit of any two models.

use limbeck_results::{Audit, AuditAnswers};
use maud::{DOCTYPE, Markup, html};

use crate::page::{head, links};
use crate::section::inside::parts;
use crate::section::{answers, verdict};

/// An audit and what it is of.
#[derive(Debug, Clone, Copy)]
pub struct AuditPage<'a> {
    /// Version of Limbeck that made it.
    pub limbeck_version: &'a str,
    /// Name and origin of each network.
    pub networks: &'a [(String, String)],
    /// Seed of prompts and resamples.
    pub seed: u64,
    /// What was found.
    pub audit: &'a Audit,
    /// What that amounts to.
    pub answers: &'a AuditAnswers,
}

/// The audit as one HTML page that loads nothing; the four answers are its first screen, and every string is escaped.
pub fn render_audit(page: &AuditPage) -> String {
    let parts = parts(page.audit);
    let name = format!("{} audit", page.audit.task.replace('_', " "));
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&name, page.limbeck_version))
            body {
                header {
                    p.eyebrow { "Limbeck · audit" }
                    h1 { (title(page)) }
                    (links(parts.iter().map(|(id, name, _)| (*id, *name))))
                }
                main {
                    (first_screen(page))
                    @for (_, _, section) in &parts { (section) }
                }
                footer {
                    "Limbeck " (page.limbeck_version) " · seed " (page.seed) " · all figures also in audit.json"
                }
            }
        }
    }
    .into_string()
}

fn title(page: &AuditPage) -> Markup {
    html! { "What is inside: " (page.audit.task.replace('_', " ")) ", " (page.audit.prompts) " prompts" }
}

fn first_screen(page: &AuditPage) -> Markup {
    html! {
        section id="verdict" class="verdict open" {
            (answers::caveats(page.answers))
            (answers::answers(page.answers))
            dl.tiles.wide { (verdict::inside(page.audit)) }
            p.networks {
                @for (name, origin) in page.networks { span.entry { b { (name) } " " (origin) } " " }
            }
        }
    }
}
