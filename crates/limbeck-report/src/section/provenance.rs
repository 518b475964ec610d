//! Where everything came from: networks, inputs with their hashes, time, recipe.

use limbeck_results::{BaselineOutcome, ModelFacts, Results};
use maud::{Markup, html};

use super::{numbers_below, section};
use crate::format;
use crate::network::Network;

/// The section.
pub(crate) fn render(results: &Results) -> Markup {
    let body = html! {
        h3 { "Networks" }
        div.scroll { (networks(results)) }
        h3 { "Inputs" }
        @if results.inputs.is_empty() { p.absent { "Nothing was read from outside." } }
        @else { div.scroll { (inputs(results)) } }
        h3 { "Time" }
        (seconds(results))
        (numbers_below("The resolved recipe", html! { pre { code { (results.recipe) } } }))
    };
    section("provenance", "How it was made", "", body)
}

fn networks(results: &Results) -> Markup {
    let models = &results.models;
    let rows = [(Network::Teacher, &models.teacher), (Network::Student, &models.student)];
    html! {
        table {
            thead { tr {
                th scope="col" { "Network" }
                th.n scope="col" { "Parameters" }
                th.n scope="col" { "Layers" }
                th.n scope="col" { "Width" }
                th.n scope="col" { "Heads" }
                th.n scope="col" { "Vocabulary" }
                th scope="col" { "Family" }
                th scope="col" { "Origin" }
            } }
            tbody {
                @for (network, facts) in rows { (model(network, facts)) }
                tr {
                    th scope="row" { (Network::Baseline.key()) "baseline" }
                    td colspan="7" {
                        @match &models.baseline {
                            BaselineOutcome::Trained => "The student’s shape and start, trained on the same data for the same steps without the teacher.",
                            BaselineOutcome::Skipped { reason } => { "Not trained: " (reason) },
                        }
                    }
                }
            }
        }
    }
}

fn model(network: Network, facts: &ModelFacts) -> Markup {
    html! {
        tr {
            th scope="row" { (network.key()) (network.name()) }
            td.n title=(format::count(facts.parameters)) { (format::magnitude(facts.parameters)) }
            td.n { (facts.layers) }
            td.n { (facts.d_model) }
            td.n { (facts.heads) }
            td.n { (format::count(facts.vocab_size as u64)) }
            td { (facts.family) }
            td.wrap { (facts.origin) }
        }
    }
}

fn inputs(results: &Results) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Role" }
                th scope="col" { "Locator" }
                th scope="col" { "BLAKE3" }
            } }
            tbody {
                @for input in &results.inputs {
                    tr {
                        th scope="row" { (input.role) }
                        td.wrap { (input.locator) }
                        td.wrap { code.hash { (input.hash) } }
                    }
                }
            }
        }
    }
}

fn seconds(results: &Results) -> Markup {
    let finite = || results.seconds.values().copied().filter(|seconds| seconds.is_finite());
    let total: f64 = finite().sum();
    let longest = finite().fold(0.0, f64::max);
    html! {
        table.times {
            tbody {
                @for (stage, seconds) in &results.seconds {
                    @let share = if longest > 0.0 && seconds.is_finite() { seconds / longest } else { 0.0 };
                    tr {
                        th scope="row" { (stage) }
                        td { span.bar {
                            span.track { span.fill.time style=(format!("width:{:.1}%", 100.0 * share.clamp(0.0, 1.0))) {} }
                            span.n { (format::duration(*seconds)) }
                        } }
                    }
                }
                tr.sum { th scope="row" { "total" } td.n { (format::duration(total)) } }
            }
        }
    }
}
