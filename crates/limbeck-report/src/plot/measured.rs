//! Curves of the networks through a few measured places, each with its interval as a band.

use limbeck_stats::Estimate;
use maud::{Markup, html};

use super::WIDTH;
use super::frame::{FLOOR, HEIGHT, LEFT, RIGHT, TOP, Tick, frame, path};
use super::scale::{Scale, extent};
use crate::format;
use crate::network::Network;

/// One network's curve.
pub(crate) struct MeasuredSeries {
    /// The network.
    pub(crate) network: Network,
    /// Where it was measured, ascending, and what was found there.
    pub(crate) points: Vec<(f64, Estimate)>,
}

/// What the horizontal axis is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// Round values at even distances.
    Even,
    /// The measured places themselves, by their ratios.
    Ratios,
}

/// Curves with bands, their axes and what the axes mean.
pub(crate) struct MeasuredPlot<'a> {
    /// What the plot shows, for readers who cannot see it.
    pub(crate) title: &'a str,
    /// Meaning of the horizontal axis.
    pub(crate) x_label: &'a str,
    /// Meaning of the vertical axis.
    pub(crate) y_label: &'a str,
    /// How the horizontal axis is divided.
    pub(crate) spacing: Spacing,
    /// Vertical domain that is shown at least.
    pub(crate) y_least: (f64, f64),
    /// Vertical domain that is shown at most: an interval that leaves it is cut off.
    pub(crate) y_most: (f64, f64),
    /// A horizontal line and what it means.
    pub(crate) reference: Option<(f64, &'a str)>,
    /// The curves, drawn in order.
    pub(crate) series: &'a [MeasuredSeries],
}

impl MeasuredPlot<'_> {
    /// The plot, or a sentence when there is nothing finite to draw.
    pub(crate) fn render(&self) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let ratios = self.spacing == Spacing::Ratios;
        let places = points().map(|point| point.0).filter(|place| !ratios || *place > 0.0);
        let values = points().flat_map(|(_, e)| [e.value, e.low, e.high]);
        let (Some(xs), Some((low, high))) = (extent(places), extent(values)) else {
            return html! { p.nothing { "Nothing finite to draw." } };
        };
        let low = low.min(self.y_least.0).max(self.y_most.0);
        let high = high.max(self.y_least.1).min(self.y_most.1);
        let range = (LEFT + 8.0, WIDTH - RIGHT - 8.0);
        let x = if ratios { Scale::log(xs, range) } else { Scale::linear(xs, range) };
        let y = Scale::linear((low, high), (FLOOR, TOP));
        html! {
            svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                (frame((&x, &self.x_ticks(&x), self.x_label), (&y, &round_ticks(&y), self.y_label)))
                @if let Some((value, meaning)) = self.reference {
                    @let at = format!("{:.1}", y.at(value));
                    line.reference x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                    text.note x=(WIDTH - RIGHT) y=(format!("{:.1}", y.at(value) - 5.0)) text-anchor="end" { (meaning) }
                }
                @for series in self.series { (band(series, &x, &y)) }
                @for series in self.series { (curve(series, &x, &y)) }
            }
        }
    }

    fn x_ticks(&self, x: &Scale) -> Vec<Tick> {
        if self.spacing == Spacing::Even {
            return round_ticks(x);
        }
        let mut places: Vec<f64> =
            self.series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let mut ticks: Vec<Tick> = Vec::new();
        for place in places.into_iter().filter(|place| place.is_finite() && *place > 0.0) {
            // Labels need room.
            if ticks.last().is_none_or(|last| x.at(place) - x.at(last.0) >= 22.0) {
                ticks.push((place, format::setting(place)));
            }
        }
        ticks
    }
}

fn round_ticks(scale: &Scale) -> Vec<Tick> {
    let (ticks, step) = scale.ticks(5);
    ticks.into_iter().map(|tick| (tick, format::tick(tick, step))).collect()
}

/// Pieces of a curve without what is not a number.
fn pieces(series: &MeasuredSeries) -> Vec<Vec<(f64, Estimate)>> {
    let fine = |(place, found): &(f64, Estimate)| place.is_finite() && found.value.is_finite();
    series.points.split(|point| !fine(point)).filter(|piece| !piece.is_empty()).map(<[_]>::to_vec).collect()
}

fn band(series: &MeasuredSeries, x: &Scale, y: &Scale) -> Markup {
    html! {
        @for piece in pieces(series) {
            @let known: Vec<_> = piece.iter().filter(|(_, found)| found.is_finite()).collect();
            @if known.len() > 1 {
                @let high = known.iter().map(|(place, found)| (x.at(*place), y.at(found.high)));
                @let low = known.iter().rev().map(|(place, found)| (x.at(*place), y.at(found.low)));
                polygon class=(format!("spread {}", series.network.name())) points=(path(high.chain(low))) {}
            }
        }
    }
}

fn curve(series: &MeasuredSeries, x: &Scale, y: &Scale) -> Markup {
    let name = series.network.name();
    html! {
        @for piece in pieces(series) {
            g class=(format!("line {name}")) {
                polyline points=(path(piece.iter().map(|(place, found)| (x.at(*place), y.at(found.value))))) {}
            }
            // More marks than these would hide the curve.
            @for (place, found) in piece.iter().filter(|_| piece.len() <= 12) {
                g {
                    title { (name) " at " (format::setting(*place)) ": " (format::estimate_text(found, format::Unit::Plain)) }
                    (series.network.mark(x.at(*place), y.at(found.value)))
                }
            }
        }
    }
}
