//! The page: its head, its order, its foot.

use limbeck_results::Results;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::section::inside::{Part, parts};
use crate::section::{comparisons, notes, provenance, scores, shifts, training, verdict};

/// Inline, so that the page stands alone.
const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded, whatever the results hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The report of a run as one HTML page.
///
/// The page opens offline: style and plots are inline, there is no script, and its content security
/// policy forbids loading anything. Every string of the results is escaped.
pub fn render_html(results: &Results) -> String {
    let inside = results.audit.as_ref().map_or_else(Vec::new, parts);
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&results.name, &results.limbeck_version))
            body {
                (header(results))
                main { (sections(results, &inside)) }
                (footer(results))
            }
        }
    }
    .into_string()
}

/// What a browser is told of a page: nothing may be loaded.
pub(crate) fn head(name: &str, version: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="generator" content=(format!("limbeck {version}"));
            link rel="icon" href="data:,";
            title { (name) " · Limbeck" }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn header(results: &Results) -> Markup {
    html! {
        header {
            p.eyebrow { "Limbeck · distillation report" }
            h1 { (results.name) }
        }
    }
}

/// Links to the sections that are there.
fn contents(results: &Results, inside: &[Part]) -> Markup {
    let before = [
        ("findings", "What was found", true),
        ("scores", "Scores", true),
        ("comparisons", "Against baseline", true),
        ("shifts", "Shift", !results.evaluation.shifts.is_empty()),
        ("training", "Training", !results.training.runs.is_empty()),
    ];
    let after = [("notes", "Notes", !results.notes.is_empty()), ("provenance", "How it was made", true)];
    let inside = inside.iter().map(|(id, name, _)| (*id, *name, true));
    links(
        before
            .into_iter()
            .chain(inside)
            .chain(after)
            .filter(|(_, _, present)| *present)
            .map(|(id, name, _)| (id, name)),
    )
}

/// Links to sections of the page.
pub(crate) fn links<'a>(sections: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        nav aria-label="Sections" {
            @for (id, name) in sections { a href=(format!("#{id}")) { (name) } }
        }
    }
}

fn sections(results: &Results, inside: &[Part]) -> Markup {
    html! {
        (verdict::render(results))
        (contents(results, inside))
        (verdict::details(results))
        (scores::render(&results.evaluation))
        (comparisons::render(results))
        (shifts::render(results))
        (training::render(&results.training))
        @for (_, _, section) in inside { (section) }
        @if results.audit.is_none() {
            section {
                h2 { "Inside the networks" }
                p.absent {
                    "No audit was made, so nothing is known about what the student kept. A section " code { "[audit]" }
                    " with a task in the recipe, such as " code { "task = \"induction\"" } ", adds one."
                }
            }
        }
        (notes::render(&results.notes))
        (provenance::render(results))
    }
}

fn footer(results: &Results) -> Markup {
    html! {
        footer {
            "Limbeck " (results.limbeck_version) " · seed " (results.seed) " · results schema "
            (results.schema_version) " · all figures also in results.json"
        }
    }
}
