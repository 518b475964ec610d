//! The pair of axes that curves stand in.

use maud::{Markup, html};

use super::WIDTH;
use super::scale::Scale;

pub(super) const HEIGHT: f64 = 260.0;
pub(super) const LEFT: f64 = 50.0;
pub(super) const RIGHT: f64 = 12.0;
pub(super) const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// Where the horizontal axis stands.
pub(super) const FLOOR: f64 = HEIGHT - BOTTOM;

/// A place on an axis and what is written there.
pub(super) type Tick = (f64, String);

/// Axes with their ticks and what they mean; horizontal grid lines.
pub(super) fn frame(
    (x, x_ticks, x_label): (&Scale, &[Tick], &str),
    (y, y_ticks, y_label): (&Scale, &[Tick], &str),
) -> Markup {
    html! {
        @for (tick, text) in y_ticks {
            @let at = format!("{:.1}", y.at(*tick));
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
            text.tick x=(LEFT - 6.0) y=(format!("{:.1}", y.at(*tick) + 4.0)) text-anchor="end" { (text) }
        }
        line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(FLOOR) y2=(FLOOR) {}
        @for (tick, text) in x_ticks {
            @let at = format!("{:.1}", x.at(*tick));
            line.axis x1=(at) x2=(at) y1=(FLOOR) y2=(FLOOR + 4.0) {}
            text.tick x=(at) y=(FLOOR + 17.0) text-anchor="middle" { (text) }
        }
        text.label x=(LEFT + (WIDTH - LEFT - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (x_label) }
        text.label transform=(format!("translate(11 {}) rotate(-90)", TOP + (FLOOR - TOP) / 2.0))
            text-anchor="middle" { (y_label) }
    }
}

/// Points of a polyline or polygon.
pub(super) fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    points.into_iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}
