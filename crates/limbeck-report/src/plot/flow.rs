//! Bands from what stands on the left to what stands on the right: a Sankey diagram of two columns.

use maud::{Markup, html};

use crate::format;

const WIDTH: f64 = 660.0;
/// Room for the labels at either side.
const LABELS: f64 = 128.0;
const BAR: f64 = 9.0;
const TOP: f64 = 26.0;
const GAP: f64 = 5.0;
/// A label needs this much, however thin its bar.
const LINE: f64 = 15.0;
/// Height that the bars of one side together aim at.
const BARS: f64 = 300.0;

/// A bar at one side.
pub(crate) struct Station {
    /// Written beside it.
    pub(crate) label: String,
    /// Written after the label, paler.
    pub(crate) note: String,
    /// Style class of the bar.
    pub(crate) class: &'static str,
    /// Shown when it is pointed at.
    pub(crate) title: String,
}

/// A band from a bar on the left to one on the right.
pub(crate) struct Stream {
    /// Place of its bar among those on the left.
    pub(crate) from: usize,
    /// Place of its bar among those on the right.
    pub(crate) to: usize,
    /// Width at either end, in one unit.
    pub(crate) widths: (f64, f64),
    /// Style class.
    pub(crate) class: &'static str,
    /// Shown when it is pointed at.
    pub(crate) title: String,
}

/// Both sides and what flows between them.
pub(crate) struct FlowPlot<'a> {
    /// What the plot shows, for readers who cannot see it.
    pub(crate) title: &'a str,
    /// Names of the sides.
    pub(crate) sides: (&'a str, &'a str),
    /// Bars from the top, left and right.
    pub(crate) stations: (&'a [Station], &'a [Station]),
    /// The bands.
    pub(crate) streams: &'a [Stream],
}

/// A bar with its place: top of its slot, slot, and bar within it.
struct Placed {
    top: f64,
    slot: f64,
    bar: f64,
}

fn width(value: f64) -> f64 {
    if value.is_finite() { value.abs().min(1e6) } else { 0.0 }
}

impl FlowPlot<'_> {
    /// The plot; empty without bands.
    pub(crate) fn render(&self) -> Markup {
        let (left, right) = self.stations;
        let (from, to) =
            (self.sums(left.len(), |s| (s.from, s.widths.0)), self.sums(right.len(), |s| (s.to, s.widths.1)));
        let largest = from.iter().sum::<f64>().max(to.iter().sum());
        if self.streams.is_empty() || largest <= 0.0 {
            return html! { p.nothing { "Nothing finite to draw." } };
        }
        let scale = BARS / largest;
        let heights = (height(&from, scale), height(&to, scale));
        let tallest = heights.0.max(heights.1);
        let left_places = placed(&from, scale, TOP + (tallest - heights.0) / 2.0);
        let right_places = placed(&to, scale, TOP + (tallest - heights.1) / 2.0);
        html! {
            svg.plot.flow viewBox=(format!("0 0 {WIDTH} {:.0}", TOP + tallest + 2.0)) role="img" aria-label=(self.title) {
                text.label x=(LABELS - 8.0) y="13" text-anchor="end" { (self.sides.0) }
                text.label x=(WIDTH - LABELS + 8.0) y="13" { (self.sides.1) }
                @for shape in self.bands(&left_places, &right_places, scale) { (shape) }
                @for (station, place) in left.iter().zip(&left_places) {
                    (bar(station, place, LABELS, LABELS - 8.0, "end"))
                }
                @for (station, place) in right.iter().zip(&right_places) {
                    (bar(station, place, WIDTH - LABELS - BAR, WIDTH - LABELS + 8.0, "start"))
                }
            }
        }
    }

    /// What flows through every bar of a side.
    fn sums(&self, count: usize, end: impl Fn(&Stream) -> (usize, f64)) -> Vec<f64> {
        let mut sums = vec![0.0; count];
        for (place, value) in self.streams.iter().map(end) {
            if let Some(sum) = sums.get_mut(place) {
                *sum += width(value);
            }
        }
        sums
    }

    /// The bands, stacked at both ends in the order of the other end, so that they cross as little as they can.
    fn bands(&self, left: &[Placed], right: &[Placed], scale: f64) -> Vec<Markup> {
        let mut order: Vec<usize> = (0..self.streams.len()).collect();
        let start = |places: &[Placed]| -> Vec<f64> {
            places.iter().map(|place| place.top + (place.slot - place.bar) / 2.0).collect()
        };
        let mut next = start(right);
        let mut at_right = vec![0.0; order.len()];
        order.sort_by_key(|&i| (self.streams[i].to, self.streams[i].from));
        for &i in &order {
            if let Some(next) = next.get_mut(self.streams[i].to) {
                at_right[i] = *next;
                *next += width(self.streams[i].widths.1) * scale;
            }
        }
        let mut next = start(left);
        order.sort_by_key(|&i| (self.streams[i].from, self.streams[i].to));
        let mut shapes = Vec::new();
        for i in order {
            let stream = &self.streams[i];
            let Some(next) = next.get_mut(stream.from) else { continue };
            if stream.to >= right.len() {
                continue;
            }
            let (here, there) = (width(stream.widths.0) * scale, width(stream.widths.1) * scale);
            shapes.push(band(stream, (*next, here.max(0.8)), (at_right[i], there.max(0.8))));
            *next += here;
        }
        shapes
    }
}

fn height(widths: &[f64], scale: f64) -> f64 {
    widths.iter().map(|value| (value * scale).max(LINE) + GAP).sum()
}

fn placed(widths: &[f64], scale: f64, mut top: f64) -> Vec<Placed> {
    let place = |value: &f64| {
        let bar = (value * scale).max(1.2);
        let found = Placed { top, slot: bar.max(LINE), bar };
        top += found.slot + GAP;
        found
    };
    widths.iter().map(place).collect()
}

fn bar(station: &Station, place: &Placed, x: f64, label: f64, anchor: &str) -> Markup {
    let middle = place.top + place.slot / 2.0;
    html! {
        g {
            title { (station.title) }
            rect class=(format!("station {}", station.class)) x=(x) y=(format!("{:.1}", middle - place.bar / 2.0)) width=(BAR)
                height=(format!("{:.1}", place.bar)) {}
            text x=(label) y=(format!("{:.1}", middle + 4.0)) text-anchor=(anchor) {
                (format::shortened(&station.label, 14)) " " tspan.pale { (station.note) }
            }
        }
    }
}

fn band(stream: &Stream, (left, here): (f64, f64), (right, there): (f64, f64)) -> Markup {
    let (from, to) = (LABELS + BAR, WIDTH - LABELS - BAR);
    let middle = (from + to) / 2.0;
    let (left_end, right_end) = (left + here, right + there);
    html! {
        path class=(format!("stream {}", stream.class)) d=(format!(
            "M{from:.1} {left:.1}C{middle:.1} {left:.1} {middle:.1} {right:.1} {to:.1} {right:.1}\
             V{right_end:.1}C{middle:.1} {right_end:.1} {middle:.1} {left_end:.1} {from:.1} {left_end:.1}Z"
        )) { title { (stream.title) } }
    }
}
