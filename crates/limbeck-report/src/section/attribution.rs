//! Where the logit difference comes from: each component's own share, the way through the layers, patching.

use limbeck_results::{Attribution, Audit, ComponentKind, component_label};
use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::inside::unsolved;
use super::{numbers_below, patching, section};
use crate::format::{self, Unit};
use crate::network::{Network, legend};
use crate::plot::{HeatCell, HeatMap, MeasuredPlot, MeasuredSeries, Spacing, extent, heat_key};

/// Magnitudes a scale may end at, in percent.
const FULL: [f64; 7] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
/// Grids wider than this many columns stand under each other.
const BESIDE: usize = 13;

/// One network with its shape.
struct Found<'a> {
    network: Network,
    layers: usize,
    heads: usize,
    attribution: &'a Attribution,
}

/// A component's place with a figure in percent.
struct Share {
    layer: usize,
    head: Option<usize>,
    kind: ComponentKind,
    value: Estimate,
}

/// The section; absent when nothing was attributed.
pub(crate) fn render(audit: &Audit) -> Markup {
    let found: Vec<Found> = super::influence::networks(audit)
        .into_iter()
        .filter_map(|(network, audit)| {
            let attribution = audit.attribution.as_ref()?;
            Some(Found { network, layers: audit.layers, heads: audit.heads, attribution })
        })
        .collect();
    if found.is_empty() {
        return html! {};
    }
    let attributions: Vec<_> = found.iter().map(|one| (one.network, one.attribution)).collect();
    let body = html! {
        (unsolved(audit))
        (lens(&found))
        h3.follows { "What each component adds by itself" }
        (grids(&found, "Percent of the logit difference", &direct))
        @if found.iter().any(|one| one.attribution.patching.as_ref().is_some_and(|p| !p.components.is_empty())) {
            h3.follows { "What each component restores" }
            p.lead {
                "The corrupted prompt with one component’s output from the clean one: percent of the way back to the clean \
                 answer. A component that restores much holds what tells the two prompts apart."
            }
            (grids(&found, "Percent restored", &restored))
        }
        (patching::positions(&attributions))
    };
    section(
        "attribution",
        "Where the answer comes from",
        "The logit difference at the answer’s position, as it forms on the way through the layers (logit lens) and as the sum of what \
         each component writes (direct logit attribution, the final norm’s scale held). Negative: it raises the wrong answer’s logit more than the right one’s.",
        body,
    )
}

fn lens(found: &[Found]) -> Markup {
    let shown: Vec<Network> = found.iter().map(|one| one.network).collect();
    let plot = |title: &str,
                label: &str,
                least: (f64, f64),
                value: &dyn Fn(&limbeck_results::LensPoint) -> Estimate| {
        let series: Vec<MeasuredSeries> = found
            .iter()
            .map(|one| MeasuredSeries {
                network: one.network,
                points: (one.attribution.lens.iter())
                    .map(|point| (100.0 * point.blocks as f64 / one.layers.max(1) as f64, value(point)))
                    .collect(),
            })
            .collect();
        MeasuredPlot {
            title,
            x_label: "share of the layers passed, %",
            y_label: label,
            spacing: Spacing::Even,
            y_least: least,
            y_most: (-1e9, 1e9),
            reference: None,
            series: &series,
        }
        .render()
    };
    html! {
        (legend(&shown))
        div.grid {
            figure {
                h3 { "The answer as it forms: logit difference" }
                (plot("Logit difference read off after every layer", "logit difference", (0.0, 0.0), &|p| p.logit_difference))
                figcaption { "Final norm and head applied to the residual stream before the first block and after each." }
                (numbers_below("Numbers", lens_table(found)))
            }
            figure {
                h3 { "The answer as it forms: probability" }
                (plot("Probability of the right answer read off after every layer", "probability", (0.0, 1.0), &|p| p.probability))
                figcaption { "Probability of the right answers together, the same way." }
            }
        }
    }
}

fn lens_table(found: &[Found]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Network" } th.n scope="col" { "Blocks" } th.n scope="col" { "Logit difference" }
                th.n scope="col" { "Probability" } th.n scope="col" { "Rank" }
            } }
            tbody {
                @for one in found {
                    @for point in &one.attribution.lens {
                        tr {
                            th scope="row" { (one.network.name()) }
                            td.n { (point.blocks) }
                            td.n { (format::estimate(&point.logit_difference, Unit::Plain)) }
                            td.n { (format::estimate(&point.probability, Unit::Percent)) }
                            td.n { (format::number(point.rank.value)) }
                        }
                    }
                }
            }
        }
    }
}

/// Direct effects in percent of the logit difference.
fn direct(attribution: &Attribution) -> Vec<Share> {
    let direct = &attribution.direct;
    let factor = 100.0 / direct.logit_difference.value;
    let share = |effect: &limbeck_results::DirectEffect| {
        let Estimate { value, low, high } = effect.effect;
        let (low, high) = if factor < 0.0 { (high, low) } else { (low, high) };
        Share {
            layer: effect.layer,
            head: effect.head,
            kind: effect.kind,
            value: Estimate { value: value * factor, low: low * factor, high: high * factor },
        }
    };
    direct.components.iter().map(share).collect()
}

/// What components restore, in percent.
fn restored(attribution: &Attribution) -> Vec<Share> {
    let components = attribution.patching.iter().flat_map(|patching| &patching.components);
    components
        .map(|one| Share {
            layer: one.layer,
            head: one.head,
            kind: one.kind,
            value: one.denoising.map(|share| 100.0 * share),
        })
        .collect()
}

fn grids(found: &[Found], key: &str, shares: &dyn Fn(&Attribution) -> Vec<Share>) -> Markup {
    let all: Vec<(&Found, Vec<Share>)> = found
        .iter()
        .map(|one| (one, shares(one.attribution)))
        .filter(|(_, shares)| !shares.is_empty())
        .collect();
    let values = all.iter().flat_map(|(_, shares)| shares.iter().map(|share| share.value.value));
    let (low, high) = extent(values).unwrap_or((0.0, 0.0));
    let largest = low.abs().max(high);
    let full = FULL.into_iter().find(|full| *full >= largest).unwrap_or(100.0);
    let wide = all.iter().any(|(one, _)| one.heads >= BESIDE);
    html! {
        div.key-row { span { (key) } (heat_key(full, low.max(-full))) }
        div class=(if wide { "stack" } else { "grid three" }) {
            @for (one, shares) in &all { (grid(one, shares, key, full)) }
        }
    }
}

fn grid(one: &Found, shares: &[Share], key: &str, full: f64) -> Markup {
    let columns: Vec<String> =
        (0..one.heads).map(|head| head.to_string()).chain(["MLP".to_owned()]).collect();
    let cells: Vec<HeatCell> = shares
        .iter()
        .map(|share| HeatCell {
            row: share.layer,
            column: share.head.unwrap_or(one.heads),
            value: share.value.value,
            title: format!(
                "{}: {}%",
                component_label(share.layer, share.head),
                format::estimate_text(&share.value, Unit::Plain)
            ),
        })
        .filter(|cell| cell.row < one.layers && cell.column <= one.heads)
        .collect();
    let title = format!("{key}, {}, layers by heads and MLP", one.network.name());
    let map =
        HeatMap { title: &title, rows: one.layers, columns: &columns, cells: &cells, full, apart: true };
    html! {
        figure {
            h3 { (one.network.key()) (one.network.name()) }
            (map.render())
            (numbers_below("Numbers", table(shares)))
        }
    }
}

fn table(shares: &[Share]) -> Markup {
    let mut order: Vec<&Share> = shares.iter().collect();
    order.sort_by(|a, b| b.value.value.abs().total_cmp(&a.value.value.abs()));
    html! {
        table {
            thead { tr { th scope="col" { "Component" } th scope="col" { "Kind" } th.n scope="col" { "%" } } }
            tbody {
                @for share in order {
                    tr {
                        th scope="row" { (component_label(share.layer, share.head)) }
                        td { (if share.kind == ComponentKind::Head { "head" } else { "MLP" }) }
                        td.n { (format::estimate(&share.value, Unit::Plain)) }
                    }
                }
            }
        }
    }
}
