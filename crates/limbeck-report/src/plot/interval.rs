//! Dots with whiskers: an estimate and its interval, row under row.

use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::WIDTH;
use super::scale::{Scale, extent};
use crate::format::{self, Unit};
use crate::network::Network;

const LEFT: f64 = 14.0;
const VALUES: f64 = 78.0;
const LINE: f64 = 17.0;
const HEADING: f64 = 20.0;
const FOOT: f64 = 26.0;

/// A group of marks under one heading.
pub(crate) struct IntervalRow {
    /// The heading.
    pub(crate) label: String,
    /// The networks' estimates, drawn one under the other.
    pub(crate) marks: Vec<(Network, Estimate)>,
    /// A span of values to shade behind the first mark of each network, such as a bound.
    pub(crate) bands: Vec<(f64, f64)>,
}

/// Rows over one horizontal axis. `title` is read out where the plot cannot be seen.
pub(crate) fn interval_plot(title: &str, rows: &[IntervalRow], unit: Unit) -> Markup {
    let factor = unit.factor();
    let ends = rows.iter().flat_map(|row| {
        let marks = row.marks.iter().flat_map(|(_, e)| [e.value, e.low, e.high]);
        marks.chain(row.bands.iter().flat_map(|band| [band.0, band.1]))
    });
    let Some((low, high)) = extent(ends.map(|value| value * factor)) else {
        return html! { p.nothing { "Nothing finite to draw." } };
    };
    let pad = (high - low) * 0.04;
    let x = Scale::linear((low - pad, high + pad), (LEFT, WIDTH - VALUES));
    let heights: Vec<f64> = rows.iter().map(|row| HEADING + LINE * row.marks.len() as f64 + 6.0).collect();
    let floor = heights.iter().sum::<f64>() + 4.0;
    let tops = heights.iter().scan(0.0, |top, height| {
        let this = *top;
        *top += height;
        Some(this)
    });
    let (ticks, step) = x.ticks(4);
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {:.0}", floor + FOOT)) role="img" aria-label=(title) {
            @for tick in ticks {
                @let at = format!("{:.1}", x.at(tick));
                line.grid x1=(at) x2=(at) y1="4" y2=(format!("{floor:.1}")) {}
                text.tick x=(at) y=(format!("{:.1}", floor + 17.0)) text-anchor="middle" {
                    (format::tick(tick, step))
                }
            }
            line.axis x1=(LEFT) x2=(WIDTH - VALUES) y1=(format!("{floor:.1}"))
                y2=(format!("{floor:.1}")) {}
            @for (row, top) in rows.iter().zip(tops) { (group(row, top, &x, unit)) }
        }
    }
}

fn group(row: &IntervalRow, top: f64, x: &Scale, unit: Unit) -> Markup {
    html! {
        text.heading x="0" y=(format!("{:.1}", top + 15.0)) {
            title { (row.label) }
            (format::shortened(&row.label, 44))
        }
        @for (place, (network, estimate)) in row.marks.iter().enumerate() {
            @let y = top + HEADING + LINE * (place as f64 + 0.5);
            @if let Some((from, to)) = row.bands.get(place).filter(|b| b.0.is_finite() && b.1.is_finite()) {
                @let (from, to) = (x.at(from * unit.factor()), x.at(to * unit.factor()));
                rect.band x=(format!("{from:.1}")) y=(format!("{:.1}", y - 8.0))
                    width=(format!("{:.1}", (to - from).max(0.0))) height="16" {}
            }
            g {
                title { (network.name()) ": " (format::estimate_text(estimate, unit)) }
                (whisker(*network, estimate, x, y, unit.factor()))
                text.value x=(WIDTH) y=(format!("{:.1}", y + 4.0)) text-anchor="end" {
                    (format::in_unit(estimate.value, unit))
                }
            }
        }
    }
}

fn whisker(network: Network, estimate: &Estimate, x: &Scale, y: f64, factor: f64) -> Markup {
    let middle = format!("{y:.1}");
    html! {
        @if estimate.low.is_finite() && estimate.high.is_finite() {
            line class=(format!("whisker {}", network.name()))
                x1=(format!("{:.1}", x.at(estimate.low * factor)))
                x2=(format!("{:.1}", x.at(estimate.high * factor))) y1=(middle) y2=(middle) {}
        }
        @if estimate.value.is_finite() { (network.mark(x.at(estimate.value * factor), y)) }
    }
}

/// One difference against zero on a scale of its own.
pub(crate) fn difference_strip(title: &str, difference: &Estimate) -> Markup {
    let reach = extent([difference.low, difference.high, difference.value])
        .map_or(0.0, |(low, high)| low.abs().max(high.abs()));
    let reach = if reach > 0.0 { reach * 1.1 } else { 1.0 };
    let x = Scale::linear((-reach, reach), (6.0, 154.0));
    html! {
        svg.strip viewBox="0 0 160 24" width="160" height="24" role="img" aria-label=(title) {
            line.axis x1="6" x2="154" y1="12" y2="12" {}
            line.zero x1="80" x2="80" y1="2" y2="22" {}
            (whisker(Network::Student, difference, &x, 12.0, 1.0))
        }
    }
}
