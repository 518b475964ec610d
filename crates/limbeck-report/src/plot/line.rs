//! Curves over a common pair of axes.

use maud::{Markup, html};

use super::WIDTH;
use super::frame::{FLOOR, HEIGHT, LEFT, RIGHT, TOP, frame, path};
use super::scale::{Scale, extent};
use crate::format;

/// A curve.
pub(crate) struct Series {
    /// Style classes of the line.
    pub(crate) class: String,
    /// Shown when the line is pointed at.
    pub(crate) name: String,
    /// Points in order; one that is not finite breaks the line.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Several curves, their axes and what the axes mean.
pub(crate) struct LinePlot<'a> {
    /// What the plot shows, for readers who cannot see it.
    pub(crate) title: &'a str,
    /// Meaning of the horizontal axis.
    pub(crate) x_label: &'a str,
    /// Meaning of the vertical axis.
    pub(crate) y_label: &'a str,
    /// The curves, drawn in order.
    pub(crate) series: &'a [Series],
    /// Fixed horizontal domain; that of the points when absent.
    pub(crate) x_domain: Option<(f64, f64)>,
    /// Fixed vertical domain; that of the points when absent.
    pub(crate) y_domain: Option<(f64, f64)>,
    /// A horizontal line and what it means.
    pub(crate) reference: Option<(f64, &'a str)>,
}

impl LinePlot<'_> {
    /// The plot, or a sentence when there is nothing finite to draw.
    pub(crate) fn render(&self) -> Markup {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        let xs = self.x_domain.or_else(|| extent(points().map(|p| p.0)));
        let ys = self.y_domain.or_else(|| self.vertical_domain());
        let (Some(xs), Some(ys)) = (xs, ys) else {
            return html! { p.nothing { "Nothing finite to draw." } };
        };
        let logarithmic = self.logarithmic(ys);
        let x = Scale::linear(xs, (LEFT, WIDTH - RIGHT));
        let range = (FLOOR, TOP);
        let y = if logarithmic { Scale::log(ys, range) } else { Scale::linear(ys, range) };
        html! {
            svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                (self.axes(&x, &y, logarithmic))
                @if let Some((value, meaning)) = self.reference {
                    @let at = format!("{:.1}", y.at(value));
                    line.reference x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                    text.note x=(WIDTH - RIGHT) y=(format!("{:.1}", y.at(value) - 5.0))
                        text-anchor="end" { (meaning) }
                }
                @for series in self.series { (curve(series, &x, &y)) }
            }
        }
    }

    fn vertical_domain(&self) -> Option<(f64, f64)> {
        let (low, high) = extent(self.series.iter().flat_map(|s| s.points.iter().map(|p| p.1)))?;
        if self.logarithmic((low, high)) || low == high {
            return Some((low, high));
        }
        // A curve that comes near zero is shown against zero.
        let low = if low >= 0.0 && low < 0.4 * high { 0.0 } else { low };
        Some((low, high + 0.04 * (high - low)))
    }

    /// Losses that fall by more than a factor of thirty are unreadable on a linear axis.
    fn logarithmic(&self, (low, high): (f64, f64)) -> bool {
        self.y_domain.is_none() && low > 0.0 && high / low > 30.0
    }

    fn axes(&self, x: &Scale, y: &Scale, logarithmic: bool) -> Markup {
        let (x_ticks, x_step) = x.ticks(5);
        let (y_ticks, y_step) = y.ticks(5);
        let x_ticks: Vec<_> = x_ticks.into_iter().map(|tick| (tick, format::tick(tick, x_step))).collect();
        let shown = |tick| if logarithmic { power(tick) } else { format::tick(tick, y_step) };
        let y_ticks: Vec<_> = y_ticks.into_iter().map(|tick| (tick, shown(tick))).collect();
        let y_label = format!("{}{}", self.y_label, if logarithmic { " (log scale)" } else { "" });
        frame((x, &x_ticks, self.x_label), (y, &y_ticks, &y_label))
    }
}

/// A tick of a logarithmic axis: one digit, as 1, 2, 3 and 5 times powers of ten have.
fn power(tick: f64) -> String {
    if (0.001..1.0).contains(&tick) {
        format::tick(tick, 10f64.powf((tick * 1.000_001).log10().floor()))
    } else if (1.0..=10_000.0).contains(&tick) {
        format::tick(tick, 1.0)
    } else {
        format::number(tick)
    }
}

fn curve(series: &Series, x: &Scale, y: &Scale) -> Markup {
    let pieces: Vec<Vec<(f64, f64)>> = series
        .points
        .split(|point| !point.0.is_finite() || !point.1.is_finite())
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.iter().map(|p| (x.at(p.0), y.at(p.1))).collect())
        .collect();
    html! {
        g class=(format!("line {}", series.class)) {
            title { (series.name) }
            @for piece in pieces {
                @if let [(x, y)] = piece[..] {
                    circle.dot cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3.5" {}
                } @else {
                    polyline points=(path(piece)) {}
                }
            }
        }
    }
}
