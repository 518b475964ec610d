//! Where on the way the answer sits: the residual stream patched layer by layer and position by position.

use limbeck_results::{Attribution, PatchedResidual};
use limbeck_stats::Estimate;
use maud::{Markup, Render, html};

use super::numbers_below;
use super::table::{Column, table};
use crate::format::{self, Unit};
use crate::network::Network;
use crate::plot::{HeatCell, HeatMap, extent, heat_key};

/// What is shaded fully, in percent: a place that restores all.
const FULL: f64 = 100.0;
/// Characters of a token that fit above a column.
const TOKEN: usize = 12;
/// Width of a column that keeps its number readable, in pixels.
const READABLE: usize = 24;
/// Places listed below a map.
const LISTED: usize = 40;

/// One network with its maps.
type Patched<'a> = (Network, &'a [PatchedResidual]);

/// The maps of all networks: those of the first group of prompts in sight, those of the others below; empty when the
/// residual stream was not patched.
pub(super) fn positions(networks: &[(Network, &Attribution)]) -> Markup {
    let patched: Vec<Patched> = networks
        .iter()
        .filter_map(|(network, found)| Some((*network, found.patching.as_ref()?.residual.as_slice())))
        .filter(|(_, groups)| !groups.is_empty())
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for group in patched.iter().flat_map(|(_, groups)| *groups) {
        if !names.contains(&group.group.as_str()) {
            names.push(&group.group);
        }
    }
    let Some((first, others)) = names.split_first() else {
        return html! {};
    };
    let values = patched.iter().flat_map(|(_, groups)| *groups).flat_map(|group| &group.denoising).flatten();
    let (low, _) = extent(values.map(|share| 100.0 * share.value)).unwrap_or((0.0, 0.0));
    html! {
        h3.follows { "Where the answer sits on its way" }
        p.lead {
            "The corrupted prompt with the residual stream of the clean one at one position, where it enters one layer: percent of the \
             way back to the clean answer. Rows are layers, columns positions. What tells the prompts apart starts at \
             the tokens that differ and ends at the last position; it moves where attention carries it on."
        }
        div.key-row { span { "Percent restored" } (heat_key(FULL, low.max(-FULL))) }
        (group(first, &patched))
        @for name in others { details { summary { "The same for “" (name) "”" } (group(name, &patched)) } }
    }
}

/// The maps of one group of prompts.
fn group(name: &str, patched: &[Patched]) -> Markup {
    let found = patched
        .iter()
        .filter_map(|(network, groups)| Some((network, groups.iter().find(|group| group.group == name)?)));
    html! {
        div.stack {
            @for (network, group) in found {
                figure {
                    h3 { (network.key()) (network.name()) }
                    div.scroll { (map(*network, group)) }
                    figcaption {
                        "Prompts of “" (name) "”: the mean of " (group.prompts) "; above the columns the tokens of the first."
                    }
                    (numbers_below("Numbers", numbers(group)))
                }
            }
        }
    }
}

fn map(network: Network, group: &PatchedResidual) -> Markup {
    let columns: Vec<String> = group.tokens.iter().map(|token| format::token(token, TOKEN)).collect();
    let cells: Vec<HeatCell> = places(&group.denoising)
        .filter(|(_, column, _)| *column < columns.len())
        .map(|(row, column, share)| HeatCell {
            row,
            column,
            value: 100.0 * share.value,
            title: format!(
                "layer {row}, position {column} “{}”: {}",
                columns[column],
                format::estimate_text(share, Unit::Percent)
            ),
        })
        .collect();
    let title = format!("Percent restored in the {}, layers by positions", network.name());
    let rows = group.denoising.len();
    let map = HeatMap { title: &title, rows, columns: &columns, cells: &cells, full: FULL, apart: false };
    html! { div style=(format!("min-width:{}px", READABLE * columns.len())) { (map.render()) } }
}

/// Layer, position and what was found there.
fn places(layers: &[Vec<Estimate>]) -> impl Iterator<Item = (usize, usize, &Estimate)> {
    layers
        .iter()
        .enumerate()
        .flat_map(|(layer, line)| line.iter().enumerate().map(move |(at, found)| (layer, at, found)))
}

fn numbers(group: &PatchedResidual) -> Markup {
    let mut order: Vec<_> = places(&group.denoising).collect();
    order.sort_by(|a, b| b.2.value.abs().total_cmp(&a.2.value.abs()));
    let all = order.len();
    order.truncate(LISTED);
    let listed = order.len();
    let columns = [
        Column::text("Layer, position"),
        Column::text("Token"),
        Column::number("Clean into corrupted, % restored"),
        Column::number("Corrupted into clean, % left"),
    ];
    let rows = order.into_iter().map(|(layer, at, restored)| {
        let left = group.noising.get(layer).and_then(|line| line.get(at));
        [
            html! { (layer) ", " (at) },
            group.tokens.get(at).map(|text| format::token(text, TOKEN)).unwrap_or_default().render(),
            format::estimate(&restored.map(|share| 100.0 * share), Unit::Plain),
            html! { @if let Some(left) = left { (format::estimate(&left.map(|share| 100.0 * share), Unit::Plain)) } },
        ]
    });
    html! {
        (table(columns, rows))
        @if all > listed { p.ci { "The " (listed) " strongest of " (format::count(all as u64)) " places." } }
    }
}
