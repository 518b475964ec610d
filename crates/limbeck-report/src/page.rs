//! The page: its head, its order, its foot.

use limbeck_results::Results;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::section::{
    alignment, brittleness, comparisons, influence, matches, notes, provenance, scores, shifts, training,
    verdict,
};

/// Inline, so that the page stands alone.
const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded, whatever the results hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The report of a run as one HTML page.
///
/// The page opens offline: style and plots are inline, there is no script, and its content security
/// policy forbids loading anything. Every string of the results is escaped.
pub fn render_html(results: &Results) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&results.name, &results.limbeck_version))
            body {
                (header(results))
                main { (sections(results)) }
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
            (contents(results))
        }
    }
}

/// Links to the sections that are there.
fn contents(results: &Results) -> Markup {
    let audited = results.audit.is_some();
    let links = [
        ("scores", "Scores", true),
        ("comparisons", "Against baseline", true),
        ("shifts", "Shift", !results.evaluation.shifts.is_empty()),
        ("training", "Training", !results.training.runs.is_empty()),
        ("influence", "Components", audited),
        ("alignment", "Alignment", audited),
        ("brittleness", "Brittleness", audited),
        ("notes", "Notes", !results.notes.is_empty()),
        ("provenance", "How it was made", true),
    ];
    html! {
        nav aria-label="Sections" {
            @for (id, name, present) in links {
                @if present { a href=(format!("#{id}")) { (name) } }
            }
        }
    }
}

fn sections(results: &Results) -> Markup {
    html! {
        (verdict::render(results))
        (scores::render(&results.evaluation))
        (comparisons::render(results))
        (shifts::render(results))
        (training::render(&results.training))
        @if let Some(audit) = &results.audit {
            (influence::render(audit))
            (matches::render(audit))
            (alignment::render(audit))
            (brittleness::render(audit))
        } @else {
            section {
                h2 { "Inside the networks" }
                p.absent { "The recipe asks for no audit: nothing is known about what the student kept." }
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
