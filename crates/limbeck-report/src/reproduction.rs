//! The page of a reproduction: the paper's figures beside ours.

use limbeck_results::{Claim, ClaimOutcome, CurvePlot, Figure, FigureTable, FigureUnit, Reproduction};
use maud::{DOCTYPE, Markup, html};

use crate::format::{self, Unit};
use crate::page::head;
use crate::plot::{LinePlot, Series};
use crate::section::section;

/// The report of a reproduction as one HTML page that loads nothing; every string is escaped.
pub fn render_reproduction(found: &Reproduction) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&found.name, &found.limbeck_version))
            body {
                header {
                    p.eyebrow { "Limbeck · reproduction · " (found.paper) }
                    h1 { (found.title) }
                    nav aria-label="Sections" {
                        a href="#figures" { "Figures" }
                        @if !found.curves.is_empty() { a href="#curves" { "Curves" } }
                        a href="#notes" { "Notes" }
                        a href="#provenance" { "How it was made" }
                    }
                }
                main {
                    (claims(found))
                    (section("figures", "The paper's figures beside ours", &lead(found), html! {
                        @for one in &found.tables { (table(one)) }
                    }))
                    @if !found.curves.is_empty() {
                        (section("curves", "Curves", "", html! {
                            div.grid { @for one in &found.curves { (curves(one)) } }
                        }))
                    }
                    (section("notes", "Where ours differ, and why", "", html! {
                        ul.notes { @for note in &found.notes { li { (note) } } }
                    }))
                    (provenance(found))
                }
                footer {
                    "Limbeck " (found.limbeck_version) " · " (found.name) " · seeds "
                    (join(found.seeds.iter())) " · all figures also in reproduction.json"
                }
            }
        }
    }
    .into_string()
}

fn lead(found: &Reproduction) -> String {
    let seeds = found.seeds.len();
    let small = if found.small {
        " This is the small variant on other data: it shows that all works, and reproduces nothing."
    } else {
        ""
    };
    format!("{seeds} seed{}.{small}", if seeds == 1 { "" } else { "s" })
}

/// Outcome in front: how many of the paper's statements hold here.
fn claims(found: &Reproduction) -> Markup {
    let agreeing = found.claims.iter().filter(|claim| claim.outcome == ClaimOutcome::Agrees).count();
    let class = match agreeing {
        all if all == found.claims.len() => "verdict helped",
        0 => "verdict hurt",
        _ => "verdict mixed",
    };
    html! {
        div class=(class) {
            p.answer {
                "Our figures agree with " (agreeing) " of " (found.claims.len()) " statements"
            }
            @for claim in &found.claims { (one_claim(claim)) }
        }
    }
}

fn one_claim(claim: &Claim) -> Markup {
    let (class, word) = match claim.outcome {
        ClaimOutcome::Agrees => ("chip better", "▲ agrees"),
        ClaimOutcome::Differs => ("chip worse", "▼ differs"),
        ClaimOutcome::CannotTell => ("chip open", "◆ cannot tell"),
    };
    html! {
        p.sentence {
            span class=(class) { (word) } " " (claim.statement) " "
            span.ci style="white-space:normal" { "Ours: " (claim.because) "." }
        }
    }
}

fn table(one: &FigureTable) -> Markup {
    html! {
        figure {
            h3 { (one.title) }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "what" }
                        th.n scope="col" { "paper" }
                        th.n scope="col" { "ours" }
                        th.n scope="col" { "each seed" }
                    } }
                    tbody { @for row in &one.rows { (figure_row(row)) } }
                }
            }
            figcaption { (one.caption) }
        }
    }
}

fn unit(figure: &Figure) -> Unit {
    match figure.unit {
        FigureUnit::Count | FigureUnit::Number => Unit::Plain,
        FigureUnit::Share => Unit::Percent,
    }
}

fn figure_row(row: &Figure) -> Markup {
    html! {
        tr {
            th scope="row" { (row.what) }
            td.n {
                @if let Some(paper) = row.paper { (format::in_unit(paper, unit(row))) } @else { span.ci { "–" } }
            }
            td.n { (format::estimate(&row.ours, unit(row))) }
            td.n { span.ci { (join(row.per_seed.iter().map(|value| format::in_unit(*value, unit(row))))) } }
        }
    }
}

fn curves(one: &CurvePlot) -> Markup {
    let series: Vec<Series> = one
        .series
        .iter()
        .enumerate()
        .map(|(index, series)| Series {
            class: format!("line term{}", index % 6),
            name: series.name.clone(),
            points: series.points.clone(),
        })
        .collect();
    let plot = LinePlot {
        title: &one.title,
        x_label: &one.x_label,
        y_label: &one.y_label,
        series: &series,
        x_domain: None,
        y_domain: None,
        reference: None,
    };
    html! {
        figure {
            h3 { (one.title) }
            div.legend {
                @for (index, series) in one.series.iter().enumerate() {
                    span.entry {
                        svg.key width="22" height="8" aria-hidden="true" {
                            line class=(format!("line term{}", index % 6)) x1="0" x2="22" y1="4" y2="4" {}
                        }
                        (series.name)
                    }
                }
            }
            (plot.render())
        }
    }
}

fn provenance(found: &Reproduction) -> Markup {
    let body = html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { "network" } th.n scope="col" { "widths" } th.n scope="col" { "epoch" }
                th.n scope="col" { "training" } th scope="col" { "folder" }
            } }
            tbody {
                @for one in &found.networks {
                    tr {
                        th scope="row" { (one.label) }
                        td.n { (join(one.widths.iter())) }
                        td.n { (one.epoch) }
                        td.n { (format::duration(one.seconds)) }
                        td.hash { "networks/" (one.key) }
                    }
                }
            }
        } }
        div.scroll { table {
            thead { tr { th scope="col" { "data" } th scope="col" { "source" } th scope="col" { "BLAKE3" } } }
            tbody {
                @for one in &found.data {
                    tr { th scope="row" { (one.name) } td { (one.source) } td.hash { (one.hash) } }
                }
            }
        } }
        details { summary { "Recipe" } div.scroll { pre { (found.recipe) } } }
    };
    let lead = format!("{} of training in all.", format::duration(found.training_seconds));
    section("provenance", "How it was made", &lead, body)
}

fn join<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}
